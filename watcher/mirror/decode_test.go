package mirror

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // git's checksum
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const sha = "0123456789012345678901234567890123456789"

func advertisement(lines ...string) []byte {
	var b bytes.Buffer
	for _, l := range lines {
		writeLine(&b, "%s", l)
	}
	b.WriteString("0000")
	return b.Bytes()
}

func FuzzAnyListOfRefsGivesATipOrAnError(f *testing.F) {
	f.Add(advertisement(sha+" HEAD\x00side-band-64k symref=HEAD:refs/heads/main shallow", sha+" refs/heads/main", sha+" refs/tags/v1", sha+" refs/tags/v1^{}"), "main")
	f.Add(advertisement("version 1", sha+" capabilities^{}\x00x"), "")
	f.Add(advertisement("ERR access denied"), "v*")
	f.Add([]byte("001e# service=git-upload-pack\n0000"), "main")
	f.Add([]byte("fff0"), "main")
	f.Add([]byte("0003000200010000"), "refs/heads/main")
	f.Fuzz(func(t *testing.T, data []byte, ref string) {
		c, err := newChoice(ref)
		if err != nil {
			return
		}
		c.smartHTTP = true
		caps, err := readAdvertisement(newLines(bytes.NewReader(data)), c)
		if err != nil {
			return
		}
		tip, err := c.tip(caps)
		if err == nil && (!validID(tip.SHA) || tip.Ref == "") {
			t.Errorf("tip = %+v", tip)
		}
	})
}

func FuzzAnyAnswerIsAPackOrAnError(f *testing.F) {
	f.Add([]byte("0008NAK\n0009\x01PACK0000"))
	f.Add([]byte("0035shallow " + sha + "00000008NAK\n0006\x02x0006\x03x"))
	f.Add([]byte("0010ERR too bad!"))
	f.Add([]byte("0005\x01"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		a, err := readAnswer(bytes.NewReader(data))
		if err == nil {
			_, _ = io.Copy(io.Discard, a)
		}
	})
}

// realPack is made by git and has deltas of both kinds or none.
func realPack(t testing.TB, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	script := `git init -q . && i=0 && while [ $i -lt 4 ]; do seq $i 400 >f; git add f; git -c user.name=a -c user.email=a commit -qm $i; i=$((i+1)); done
git rev-list --objects --all | cut -c 1-40 | git pack-objects --stdout -q ` + strings.Join(args, " ")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func generous() packLimits { return packLimits{objects: 1000, object: 1 << 20, total: 4 << 20} }

func TestPacksOfGitAreTakenApart(t *testing.T) {
	for _, args := range [][]string{{"--window=0"}, {"--delta-base-offset"}, {"--no-delta-base-offset"}} {
		pack := realPack(t, args...)
		got, err := unpack(pack, generous())
		if err != nil || len(got) != 12 {
			t.Fatalf("%v: %d objects, %v; want 4 commits, trees and files", args, len(got), err)
		}
		for id, o := range got {
			if nameOf(o) != id {
				t.Errorf("%s has the content of another", id)
			}
		}
		kinds := map[byte]int{}
		u := unpacker{body: pack[:len(pack)-20], limits: generous(), at: map[int64]object{}, named: map[string]object{}}
		for pos := int64(12); pos < int64(len(u.body)); {
			kinds[u.body[pos]>>4&7]++
			var err error
			if pos, err = u.one(pos); err != nil {
				t.Fatal(err)
			}
		}
		if deltas := kinds[typeOffsetDelta] + kinds[typeRefDelta]; (deltas > 0) != (args[0] != "--window=0") {
			t.Errorf("%v: kinds %v; the test does not test deltas", args, kinds)
		}
	}
}

func TestPacksOverALimitAreRefused(t *testing.T) {
	pack := realPack(t, "--delta-base-offset")
	for name, limits := range map[string]packLimits{
		"objects": {objects: 11, object: 1 << 20, total: 4 << 20},
		"object":  {objects: 100, object: 1000, total: 4 << 20},
		"total":   {objects: 100, object: 1 << 20, total: 3000},
	} {
		if _, err := unpack(pack, limits); !errors.Is(err, ErrTooBig) {
			t.Errorf("%s: %v, want ErrTooBig", name, err)
		}
	}
}

func TestADamagedPackIsRefused(t *testing.T) {
	pack := realPack(t, "--delta-base-offset")
	for at := range pack {
		damaged := bytes.Clone(pack)
		damaged[at] ^= 0x10
		if _, err := unpack(damaged, generous()); err == nil {
			t.Fatalf("byte %d changed: taken for good", at)
		}
	}
}

func FuzzAnyPackIsObjectsOrAnError(f *testing.F) {
	f.Add(realPack(f, "--window=0"))
	f.Add(realPack(f, "--delta-base-offset"))
	f.Add(realPack(f, "--no-delta-base-offset"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 20 { // else the checksum would keep the fuzzer out
			data = data[:len(data)-20]
		}
		data = sealed(data)
		got, err := unpack(data, packLimits{objects: 50, object: 1 << 16, total: 1 << 18})
		if err != nil {
			return
		}
		for id, o := range got {
			switch o.kind {
			case kindCommit:
				_, _ = parseCommit(id, o.data)
			case kindTree:
				entries, err := parseTree(o.data)
				for _, e := range entries {
					if err == nil && (e.name == "" || e.name == ".." || strings.Contains(e.name, "/")) {
						t.Errorf("entry %q", e.name)
					}
				}
			case kindTag:
				parseTag(o.data)
			}
		}
	})
}

func TestNamesThatMeanAnotherPlaceAreRefused(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".git", ".GIT", "a/b", "a\\b"} {
		if _, err := parseTree([]byte("100644 " + name + "\x00" + strings.Repeat("x", 20))); err == nil {
			t.Errorf("%q was read", name)
		}
	}
	for _, name := range []string{"a", ".gitignore", "...", "ä"} {
		if _, err := parseTree([]byte("100644 " + name + "\x00" + strings.Repeat("x", 20))); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestOddCommitsAreRead(t *testing.T) {
	c, err := parseCommit(sha, []byte("tree "+sha+"\nauthor \xff\x1b[31m <> x\ncommitter Bo\ngpgsig -----BEGIN\n parent "+sha+"\n\n\n\nfirst \xffline\nsecond"))
	if err != nil || len(c.parents) != 0 || !strings.HasPrefix(c.subject, "first ") || !c.time.IsZero() {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := parseCommit(sha, []byte("author x\n\n")); err == nil {
		t.Error("a commit without a tree was read")
	}
}

// sealed puts a right checksum behind a pack.
func sealed(body []byte) []byte {
	sum := sha1.Sum(body) //nolint:gosec // git's checksum
	return append(bytes.Clone(body), sum[:]...)
}
