package secret_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAwkwardValuesSurviveTheFile(t *testing.T) {
	ed := secret.Editor{Path: filepath.Join(t.TempDir(), "shop.env")}
	values := []string{
		"", "plain", "with space", " padded ", "$HOME ${X} $(id) $", `it's`, `"quoted"`, `both ' and "`, "#hash # x", "a\nb\n\nc\n", `back\slash`, `ends\`, `'ends\`,
		`\n literal`, `'\n' literal`, "`id`", "中文 ñ 🚢", "=", "A=b", "tab\there", `\'`, `\"'`, `'\$`, "\xff\xfe", strings.Repeat("k", 64<<10), "export X", "'", `"`, `\`, `'$X\`,
	}
	for i, want := range values {
		if err := ed.Set("S_"+strings.Repeat("x", i), secret.New(want)); err != nil {
			t.Fatalf("set %q: %v", want, err)
		}
	}
	s := open(t, secret.Options{File: ed.Path})
	for i, want := range values {
		if got := look(s, "S_"+strings.Repeat("x", i)); got != want {
			t.Errorf("got %.80q; want %.80q", got, want)
		}
	}
}

func TestEditingKeepsEveryOtherLineAndTheMode(t *testing.T) {
	path := write(t, "shop.env", "# database\nexport DB='old' # rotate in May\n\n  REDIS: redis://x\nDUP=1\nDUP=2\nLAST=x", 0o600)
	ed := secret.Editor{Path: path}
	for name, value := range map[string]string{"DB": "it's new", "DUP": "3"} {
		if err := ed.Set(name, secret.New(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ed.Set("NEW", secret.New("n")); err != nil {
		t.Fatal(err)
	}
	want := "# database\nexport DB=\"it's new\" # rotate in May\n\n  REDIS: redis://x\nDUP=1\nDUP=3\nLAST=x\nNEW=n\n"
	if got := content(t, path); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if removed, err := ed.Unset("DUP"); !removed || err != nil {
		t.Errorf("unset: %v, %v", removed, err)
	}
	if removed, err := ed.Unset("GONE"); removed || err != nil {
		t.Errorf("unset what is not there: %v, %v", removed, err)
	}
	if got, want := content(t, path), strings.ReplaceAll(strings.ReplaceAll(want, "DUP=1\n", ""), "DUP=3\n", ""); got != want {
		t.Errorf("after unset got %q\nwant %q", got, want)
	}
	names, err := ed.List()
	if want := []string{"DB", "LAST", "NEW", "REDIS"}; !slices.Equal(names, want) || err != nil {
		t.Errorf("list: %v, %v; want %v", names, err, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestAnEditThatCannotBeSafeChangesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		data, secret, value string
		mode                os.FileMode
	}{
		"others may read the file": {"A=1\n", "A", "2", 0o644},
		"the file is unreadable":   {"A='1\n", "B", "2", 0o600},
		"the name is none":         {"A=1\n", "A=2\nB", "2", 0o600},
		"the value has a CR":       {"A=1\n", "A", "2\r", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "shop.env", tt.data, tt.mode)
			if err := (secret.Editor{Path: path}).Set(tt.secret, secret.New(tt.value)); err == nil {
				t.Error("no error")
			}
			if got := content(t, path); got != tt.data {
				t.Errorf("the file became %q", got)
			}
		})
	}
}

func TestTheSecondEditorAtOnceIsRefused(t *testing.T) {
	path := write(t, "shop.env", "A=1\n", 0o600)
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if err := (secret.Editor{Path: path}).Set("A", secret.New("2")); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("got %v", err)
	}
}

func TestANewFileBelongsToTheOwnerOfItsFolder(t *testing.T) {
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 { // who alone can give files away
		uid, gid = 65532, 65532
	}
	dir := t.TempDir()
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "shop.env")
	for _, value := range []string{"made", "edited"} {
		if err := (secret.Editor{Path: path}).Set("A", secret.New(value)); err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Stat(path, &stat); err != nil || int(stat.Uid) != uid || int(stat.Gid) != gid {
			t.Errorf("once %s it is %d:%d's, %v", value, stat.Uid, stat.Gid, err)
		}
	}
}

func TestASymlinkedFileIsEditedWhereItIs(t *testing.T) {
	path := write(t, "shop.env", "A=1\n", 0o600)
	link := filepath.Join(t.TempDir(), "link.env")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := (secret.Editor{Path: link}).Set("A", secret.New("2")); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "A=2\n" {
		t.Errorf("got %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
}
