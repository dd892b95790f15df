package mirror_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// doorway is one way to reach a repository; every promise of a Mirror is
// tested through all of them.
type doorway struct {
	name    string
	partial bool
	remote  func(t testing.TB, dir string) mirror.Remote
}

func doorways() []doorway {
	http := func(t testing.TB, dir string) mirror.Remote {
		s := mirrortest.ServeHTTP(t, filepath.Dir(dir))
		return mirror.Remote{Name: "shop", URL: s.URL + "/" + filepath.Base(dir)}
	}
	overSSH := func(t testing.TB, dir string) mirror.Remote {
		s := mirrortest.ServeSSH(t)
		return mirror.Remote{Name: "shop", URL: s.URL(dir), Auth: mirror.Auth{Signers: []ssh.Signer{s.Key}, KnownHosts: []string{s.KnownHosts}}}
	}
	return []doorway{
		{"http partial", true, http},
		{"http whole", false, http},
		{"ssh partial", true, overSSH},
		{"ssh whole", false, overSSH},
		{"path", false, func(_ testing.TB, dir string) mirror.Remote { return mirror.Remote{Name: "shop", URL: dir} }},
		{"file url", false, func(_ testing.TB, dir string) mirror.Remote {
			return mirror.Remote{Name: "shop", URL: "file://" + dir}
		}},
	}
}

// throughAll runs a test through every door.
func throughAll(t *testing.T, test func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror)) {
	t.Helper()
	for _, d := range doorways() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			repo := mirrortest.NewRepo(t, t.TempDir(), "it's a shop.git")
			if d.partial {
				repo.AllowPartial()
			}
			test(t, repo, openIn(t, t.TempDir(), d.remote(t, repo.Dir)))
		})
	}
}

func TestEveryDoorFollowsPushesForcePushesAndRewinds(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		first := repo.Commit("one", map[string]string{"config/deploy.yml": "1", "x": "x"})
		look(t, m, "main")
		for _, n := range []string{"2", "3", "4"} {
			sha := repo.Commit("more", map[string]string{"config/deploy.yml": n})
			s := look(t, m, "main")
			if s.Revision.SHA != sha {
				t.Errorf("tip = %s, want %s", s.Revision.SHA, sha)
			}
			wantFile(t, s.Files, "config/deploy.yml", n)
		}
		repo.Git("reset", "--quiet", "--hard", first)
		repo.Push()
		s := look(t, m, "main")
		if s.Revision.SHA != first {
			t.Errorf("after a rewind: %s, want %s", s.Revision.SHA, first)
		}
		wantFile(t, s.Files, "config/deploy.yml", "1")
		repo.Git("checkout", "--quiet", "--orphan", "other")
		repo.Git("branch", "-D", "main")
		repo.Git("branch", "-m", "main")
		sha := repo.Commit("unrelated", map[string]string{"config/deploy.yml": "other"})
		s = look(t, m, "main")
		if s.Revision.SHA != sha || len(s.Parents) != 0 {
			t.Errorf("after unrelated history: %s with parents %v, want %s", s.Revision.SHA, s.Parents, sha)
		}
		wantFile(t, s.Files, "config/deploy.yml", "other")
	})
}

func TestEveryDoorTellsMissingBranchesFromEmptyRepositories(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		_, err := m.Tip(t.Context(), "main")
		wantTrouble(t, err, mirror.ErrEmpty, "push one")
		repo.Commit("one", map[string]string{"deploy.yml": "1"})
		_, err = m.Tip(t.Context(), "production")
		wantTrouble(t, err, mirror.ErrRefMissing, `the default branch is "main"`)
		_, err = m.Tip(t.Context(), "v*")
		wantTrouble(t, err, mirror.ErrRefMissing, "no tag matches")
		mirrortest.Git(t, repo.Dir, "update-ref", "refs/heads/other", "main")
		mirrortest.Git(t, repo.Dir, "update-ref", "-d", "refs/heads/main")
		_, err = m.Tip(t.Context(), "main")
		wantTrouble(t, err, mirror.ErrRefMissing, "does not exist")
		tip, err := m.Tip(t.Context(), "other")
		if err != nil || tip.Ref != "refs/heads/other" {
			t.Errorf("other = %+v, %v", tip, err)
		}
	})
}

func TestEveryDoorFindsDefaultBranchesTagsAndFullNames(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		old := repo.Commit("old", map[string]string{"config/deploy.yml": "old"})
		repo.Git("tag", "v1.9.0")
		repo.Git("tag", "-a", "v1.10.0", "-m", "annotated")
		now := repo.Commit("now", map[string]string{"config/deploy.yml": "now"})
		repo.Git("tag", "v2.0.0-rc.1")
		repo.Git("tag", "v1.2.0")
		repo.Git("push", "--quiet", "--tags", "origin")
		mirrortest.Git(t, repo.Dir, "pack-refs", "--all")
		for _, c := range []struct{ ask, ref, sha, content string }{
			{"", "refs/heads/main", now, "now"},
			{"v*", "refs/tags/v1.10.0", old, "old"},
			{"v*-*", "refs/tags/v2.0.0-rc.1", now, "now"},
			{"refs/tags/v1.10.0", "refs/tags/v1.10.0", old, "old"},
			{"refs/tags/v1.9.0", "refs/tags/v1.9.0", old, "old"},
			{"refs/heads/main", "refs/heads/main", now, "now"},
		} {
			tip, err := m.Tip(t.Context(), c.ask)
			if err != nil || tip.Ref != c.ref || tip.SHA != c.sha {
				t.Errorf("%q: %s %s, %v; want %s %s", c.ask, tip.Ref, tip.SHA, err, c.ref, c.sha)
				continue
			}
			s := look(t, m, c.ask)
			if s.Revision.SHA != c.sha || s.Revision.Ref != c.ref {
				t.Errorf("%q: revision %+v", c.ask, s.Revision)
			}
			wantFile(t, s.Files, "config/deploy.yml", c.content)
		}
	})
}

func TestEveryDoorGivesAWellBehavedFileSystem(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		repo.Write(map[string]string{".kamal/hooks/deep/er/x": "x"})
		repo.Commit("one", map[string]string{
			"config/deploy.yml": "service: shop\n", "config/deploy.staging.yml": "", ".kamal/secrets": "A=1\n", "config/other.yml": "no",
		})
		s := look(t, m, "main")
		if err := fstest.TestFS(s.Files, "config/deploy.yml", ".kamal/secrets", ".kamal/hooks/deep/er/x"); err != nil {
			t.Error(err)
		}
		entries, err := fs.ReadDir(s.Files, "config")
		if err != nil || len(entries) != 1 {
			t.Errorf("config has %v, %v; want deploy.yml alone", entries, err)
		}
	})
}

func TestEveryDoorRefusesToReadLinks(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		repo.Commit("links", map[string]string{
			"config/deploy.yml": "-> /etc/passwd", "config/deploy.ok.yml": "ok", ".kamal": "-> ../..", "elsewhere": "-> /etc",
		})
		s := look(t, m, "main")
		wantFile(t, s.Files, "config/deploy.ok.yml", "ok")
		for _, name := range []string{"config/deploy.yml", ".kamal/secrets", ".kamal"} {
			data, err := fs.ReadFile(s.Files, name)
			if !errors.Is(err, mirror.ErrNotRegular) || data != nil {
				t.Errorf("%s = %q, %v; want ErrNotRegular", name, data, err)
			}
		}
		if info, err := fs.Stat(s.Files, ".kamal"); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf(".kamal is %v, %v; want it listed as a link", info, err)
		}
	})
}

func TestEveryDoorRefusesBigFiles(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		repo.Commit("big elsewhere", map[string]string{"config/deploy.yml": "ok", "video.bin": strings.Repeat("0123456789abcdef", 200_000)})
		look(t, m, "main")
		repo.Commit("big here", map[string]string{"config/deploy.yml": strings.Repeat("x", 1<<20+1)})
		tip, err := m.Tip(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.Fetch(t.Context(), tip, deployFiles)
		wantTrouble(t, err, mirror.ErrTooBig, "make it smaller")
	})
}

func TestEveryDoorReadsHistoryAlongFirstParents(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		one := repo.Commit("one", map[string]string{"a": "1"})
		repo.Git("checkout", "--quiet", "-b", "side")
		repo.Commit("side", map[string]string{"b": "1"})
		repo.Git("checkout", "--quiet", "main")
		two := repo.Commit("two", map[string]string{"a": "2"})
		repo.Git("merge", "--quiet", "--no-ff", "-m", "merge", "side")
		repo.Push()
		merge := repo.Head()
		look(t, m, "main")
		for n, want := range map[int][]string{1: {merge}, 2: {merge, two}, 50: {merge, two, one}} {
			tip, err := m.Tip(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			history, err := m.History(t.Context(), tip, n)
			var got []string
			for _, r := range history {
				got = append(got, r.SHA)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("history(%d) = %v, %v; want %v", n, got, err, want)
			}
		}
	})
}

func TestEveryDoorReadsTheFilesOfAnEarlierCommit(t *testing.T) {
	throughAll(t, func(t *testing.T, repo *mirrortest.Repo, m *mirror.Mirror) {
		one := repo.Commit("one", map[string]string{"config/deploy.yml": "1", "config/gone": "x"})
		two := repo.Commit("two", map[string]string{"config/deploy.yml": "2"})
		repo.Commit("docs", map[string]string{"docs/note": "1"})
		repo.Push()
		look(t, m, "main")
		tip, err := m.Tip(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		for sha, want := range map[string]string{one: "1", two: "2"} {
			s, err := m.Fetch(t.Context(), tip.Earlier(sha), deployFiles)
			if err != nil {
				t.Fatal(err)
			}
			text, err := fs.ReadFile(s.Files, "config/deploy.yml")
			if string(text) != want || err != nil || s.Revision.SHA != sha || s.Revision.Ref != tip.Ref {
				t.Errorf("%s of %+v: %q, %v; want %q", sha, s.Revision, text, err, want)
			}
		}
		history, err := m.History(t.Context(), tip.Earlier(two), 50)
		if err != nil || len(history) != 2 || history[0].SHA != two {
			t.Errorf("before %s: %v, %v", two, history, err)
		}
		if now := look(t, m, "main"); now.Revision.SHA != tip.SHA {
			t.Errorf("the tip is %s then", now.Revision.SHA)
		}
	})
}

func TestEveryDoorSaysThatASHA256RepositoryIsNotRead(t *testing.T) {
	for _, d := range doorways() {
		t.Run(d.name, func(t *testing.T) {
			repo := mirrortest.NewRepo(t, t.TempDir(), "new.git", "--object-format=sha256")
			m := openIn(t, t.TempDir(), d.remote(t, repo.Dir))
			if d.name != "path" { // an empty one is told apart by the config only
				repo.Commit("one", map[string]string{"a": "1"})
			}
			_, err := m.Tip(t.Context(), "main")
			wantTrouble(t, err, mirror.ErrSHA256, "--object-format=sha1")
		})
	}
}

func TestEveryDoorSaysThatARepositoryIsNotThere(t *testing.T) {
	for _, d := range doorways() {
		t.Run(d.name, func(t *testing.T) {
			m := openIn(t, t.TempDir(), d.remote(t, filepath.Join(t.TempDir(), "none.git")))
			_, err := m.Tip(t.Context(), "main")
			wantTrouble(t, err, mirror.ErrNotFound, "check")
		})
	}
}

func TestSilenceEndsAtTheDeadline(t *testing.T) {
	silent := mirrortest.Silent(t)
	key := mirror.Auth{Signers: []ssh.Signer{mirrortest.NewKey(t, "client")}, KnownHosts: []string{os.DevNull}}
	for _, r := range []mirror.Remote{{URL: "http://" + silent + "/shop.git"}, {URL: "ssh://" + silent + "/shop.git", Auth: key}} {
		m := openIn(t, t.TempDir(), r)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("enough"))
		_, err := m.Tip(ctx, "main")
		cancel()
		wantTrouble(t, err, mirror.ErrUnreachable, "enough")
	}
}

func wantTrouble(t testing.TB, err, kind error, says string) {
	t.Helper()
	trouble, ok := errors.AsType[*mirror.Trouble](err)
	if !ok || !errors.Is(err, kind) || !strings.Contains(trouble.Error(), says) {
		t.Errorf("error = %v; want %v saying %q", err, kind, says)
	}
}
