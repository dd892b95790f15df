package mirror_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// copied serves a repository without partial fetches and looks at it once.
func copied(t *testing.T) (repo *mirrortest.Repo, m *mirror.Mirror, copies string) {
	t.Helper()
	root, copies := t.TempDir(), t.TempDir()
	repo = mirrortest.NewRepo(t, root, "shop.git")
	repo.Commit("one", map[string]string{"config/deploy.yml": "1", "config/deploy.x.yml": strings.Repeat("x y z\n", 1000)})
	server := mirrortest.ServeHTTP(t, root)
	m = openIn(t, copies, mirror.Remote{Name: "shop", URL: server.URL + "/shop.git"})
	look(t, m, "main")
	return repo, m, copies
}

func TestACorruptCopyIsMadeAnew(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, path string){
		"truncated": func(t *testing.T, path string) { check(t, os.Truncate(path, 40)) },
		"overwritten": func(t *testing.T, path string) {
			check(t, os.WriteFile(path, []byte(strings.Repeat("junk", 50)), 0o644))
		},
		"removed": func(t *testing.T, path string) { check(t, os.Remove(path)) },
		"a bit flipped": func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			check(t, err)
			data[len(data)/2] ^= 1
			check(t, os.WriteFile(path, data, 0o644))
		},
	} {
		for _, ext := range []string{".pack", ".idx"} {
			for _, when := range []string{"before a push", "with no push"} {
				t.Run(name+" "+ext+" "+when, func(t *testing.T) {
					repo, m, copies := copied(t)
					files := find(t, copies, ext)
					if len(files) == 0 {
						t.Fatalf("the copy has no %s", ext)
					}
					for _, f := range files {
						check(t, os.Chmod(f, 0o644))
						spoil(t, f)
					}
					want := "1"
					if when == "before a push" {
						want = "2"
						repo.Commit("two", map[string]string{"config/deploy.yml": "2"})
					}
					wantFile(t, look(t, m, "main").Files, "config/deploy.yml", want)
					repo.Commit("three", map[string]string{"config/deploy.yml": "3"})
					wantFile(t, look(t, m, "main").Files, "config/deploy.yml", "3")
				})
			}
		}
	}
}

func TestACopyDoesNotGrowForever(t *testing.T) {
	repo, m, copies := copied(t)
	most := 0
	for range 45 {
		repo.Commit("more", nil)
		look(t, m, "main")
		most = max(most, len(find(t, copies, ".pack")))
	}
	if left := len(find(t, copies, ".pack")); most > 41 || left > 10 {
		t.Errorf("%d packs at most and %d now, want it made anew after 40", most, left)
	}
}

func TestWhatACrashLeftInTheCopyIsRemoved(t *testing.T) {
	repo, m, copies := copied(t)
	pack := find(t, copies, ".pack")[0]
	left := filepath.Join(filepath.Dir(pack), "tmp_pack_123")
	check(t, os.WriteFile(left, []byte("half"), 0o644))
	repo.Commit("two", nil)
	look(t, m, "main")
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there (%v)", left, err)
	}
}

func TestALocalRepositoryIsReadWithoutTheGitProgram(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", map[string]string{"config/deploy.yml": "1"})
	mirrortest.Git(t, repo.Dir, "gc", "--quiet")
	worktree := filepath.Join(t.TempDir(), "tree")
	repo.Git("worktree", "add", "--quiet", "--detach", worktree)
	shared := filepath.Join(t.TempDir(), "shared.git")
	mirrortest.Git(t, repo.Dir, "clone", "--quiet", "--bare", "--shared", repo.Dir, shared)
	checkout := filepath.Join(t.TempDir(), "checkout")
	mirrortest.Git(t, repo.Dir, "clone", "--quiet", repo.Dir, checkout)
	t.Setenv("PATH", "/nonexistent")
	for _, dir := range []string{repo.Dir, worktree, shared, checkout, filepath.Join(checkout, ".git")} {
		wantFile(t, look(t, open(t, dir), "main").Files, "config/deploy.yml", "1")
	}
}

func TestAnObjectWithTheContentOfAnotherIsNotBelieved(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", map[string]string{"config/deploy.yml": "right", "other": "wrong"})
	loose := func(path string) string {
		id := repo.Git("rev-parse", "HEAD:"+path)
		return filepath.Join(repo.Dir, "objects", id[:2], id[2:])
	}
	wrong, err := os.ReadFile(loose("other"))
	check(t, err)
	check(t, os.Chmod(loose("config/deploy.yml"), 0o644))
	check(t, os.WriteFile(loose("config/deploy.yml"), wrong, 0o644))
	m := open(t, repo.Dir)
	tip, err := m.Tip(t.Context(), "main")
	check(t, err)
	_, err = m.Fetch(t.Context(), tip, deployFiles)
	wantTrouble(t, err, mirror.ErrCorrupt, "run git fsck")
}

func TestAFrozenSSHHostIsGivenUpAndTriedAgain(t *testing.T) {
	repo := mirrortest.NewRepo(t, t.TempDir(), "shop.git")
	repo.Commit("one", nil)
	server := mirrortest.ServeSSH(t)
	through := newTap(t, server.Addr)
	key, err := os.ReadFile(server.KnownHosts)
	check(t, err)
	_, _, hostKey, _, _, err := ssh.ParseKnownHosts(key)
	check(t, err)
	m := openIn(t, t.TempDir(), mirror.Remote{URL: "ssh://git@" + through.addr + repo.Dir, Auth: mirror.Auth{
		Signers: []ssh.Signer{server.Key}, KnownHosts: []string{mirrortest.WriteKnownHosts(t, through.addr, hostKey)}}})
	_, err = m.Tip(t.Context(), "main")
	check(t, err)
	through.freeze()
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("enough"))
	_, err = m.Tip(ctx, "main")
	cancel()
	wantTrouble(t, err, mirror.ErrUnreachable, "enough")
	if took := time.Since(began); took > 10*time.Second { // the keepalive would need 35
		t.Errorf("the deadline of 300 ms was kept after %v", took)
	}
	through.thaw()
	if _, err = m.Tip(t.Context(), "main"); err != nil {
		t.Errorf("after the thaw: %v", err)
	}
}

// tap passes bytes on to another address until it is frozen; connections of
// that time stay frozen.
type tap struct {
	addr string
	mu   sync.Mutex
	ice  chan struct{} // closed while frozen
}

func newTap(t testing.TB, to string) *tap {
	p := &tap{ice: make(chan struct{})}
	p.addr = mirrortest.Talk(t, func(from net.Conn) {
		p.mu.Lock()
		ice := p.ice
		p.mu.Unlock()
		onward, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer onward.Close()
		var wg sync.WaitGroup
		pass := func(dst, src net.Conn) {
			buf := make([]byte, 32<<10)
			for {
				n, err := src.Read(buf)
				if err != nil {
					onward.Close()
					return
				}
				select {
				case <-ice: // swallowed
				default:
					_, _ = dst.Write(buf[:n])
				}
			}
		}
		wg.Go(func() { pass(onward, from) })
		wg.Go(func() { pass(from, onward) })
		wg.Wait()
	})
	return p
}

func (p *tap) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.ice)
}

func (p *tap) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ice = make(chan struct{})
}

func find(t testing.TB, dir, ext string) []string {
	t.Helper()
	var found []string
	check(t, filepath.WalkDir(dir, func(at string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(at, ext) {
			found = append(found, at)
		}
		return err
	}))
	return found
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
