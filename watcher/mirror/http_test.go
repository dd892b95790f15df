package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

var deployFiles = []string{"config/deploy*.yml", ".kamal/**"}

func open(t testing.TB, url string) *mirror.Mirror {
	t.Helper()
	return openIn(t, t.TempDir(), mirror.Remote{Name: "shop", URL: url})
}

func openIn(t testing.TB, dir string, r mirror.Remote) *mirror.Mirror {
	t.Helper()
	pool := mirror.NewPool(dir)
	t.Cleanup(pool.Close)
	m, err := pool.Open(r)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func look(t testing.TB, m *mirror.Mirror, ref string) mirror.Snapshot {
	t.Helper()
	tip, err := m.Tip(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Fetch(t.Context(), tip, deployFiles)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantFile(t testing.TB, files fs.FS, name, content string) {
	t.Helper()
	got, err := fs.ReadFile(files, name)
	if err != nil || string(got) != content {
		t.Errorf("%s = %q, %v; want %q", name, got, err, content)
	}
}

func TestOverHTTPACommitIsReadWithAndWithoutPartialFetch(t *testing.T) {
	for _, how := range []string{"partial", "whole"} {
		t.Run(how, func(t *testing.T) {
			root := t.TempDir()
			repo := mirrortest.NewRepo(t, root, "shop.git")
			if how == "partial" {
				repo.AllowPartial()
			}
			first := repo.Commit("Start the shop", map[string]string{
				"config/deploy.yml": "service: shop\n", "app/big.rb": "puts 1\n", ".kamal/hooks/pre-deploy": "#!/bin/sh\n",
			})
			server := mirrortest.ServeHTTP(t, root)
			m := open(t, server.URL+"/shop.git")

			s := look(t, m, "main")
			r := s.Revision
			if r.SHA != first || r.Ref != "refs/heads/main" || r.Repo != "shop" || r.Subject != "Start the shop" || r.Author != "Ana Lee <ana@example.com>" {
				t.Errorf("revision = %+v", r)
			}
			if got := r.Time.Format("2006-01-02T15:04Z07:00"); got != "2026-11-02T11:00Z" {
				t.Errorf("time = %s, want the committer's", got)
			}
			wantFile(t, s.Files, "config/deploy.yml", "service: shop\n")
			wantFile(t, s.Files, ".kamal/hooks/pre-deploy", "#!/bin/sh\n")
			if _, err := fs.Stat(s.Files, "app/big.rb"); err == nil {
				t.Error("a file nobody wanted is in the snapshot")
			}

			second := repo.Commit("Rename", map[string]string{"config/deploy.yml": "service: store\n"})
			s = look(t, m, "main")
			if s.Revision.SHA != second || s.Parents[0] != first {
				t.Errorf("second look: %s, parents %v", s.Revision.SHA, s.Parents)
			}
			wantFile(t, s.Files, "config/deploy.yml", "service: store\n")
			wantFile(t, s.Files, ".kamal/hooks/pre-deploy", "#!/bin/sh\n")
		})
	}
}

func TestACommitThatTouchesNoDeployFileCostsOneRequest(t *testing.T) {
	root, copies := t.TempDir(), t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git").AllowPartial()
	repo.Commit("one", map[string]string{"config/deploy.yml": "1", ".kamal/hooks/a": "a", "app.rb": "1"})
	server := mirrortest.ServeHTTP(t, root)
	m := openIn(t, copies, mirror.Remote{Name: "shop", URL: server.URL + "/shop.git"})
	look(t, m, "main")
	if l, u := server.Listings.Load(), server.Uploads.Load(); l != 1 || u != 3 {
		t.Errorf("first look: %d listings and %d fetches, want 1 and 3 (commit, folders, files)", l, u)
	}
	repo.Commit("two", map[string]string{"app.rb": "2"})
	look(t, m, "main")
	if l, u := server.Listings.Load(), server.Uploads.Load(); l != 2 || u != 4 {
		t.Errorf("after the second look: %d listings and %d fetches, want 2 and 4", l, u)
	}
	if entries, err := os.ReadDir(copies); err != nil || len(entries) != 0 {
		t.Errorf("a partial fetch left %v, %v on disk", entries, err)
	}
}

func TestAQuietPollIsOneListing(t *testing.T) {
	root := t.TempDir()
	mirrortest.NewRepo(t, root, "shop.git").Commit("one", nil)
	server := mirrortest.ServeHTTP(t, root)
	m := open(t, server.URL+"/shop.git")
	for range 5 {
		if _, err := m.Tip(t.Context(), "main"); err != nil {
			t.Fatal(err)
		}
	}
	if l, u := server.Listings.Load(), server.Uploads.Load(); l != 5 || u != 0 {
		t.Errorf("five polls: %d listings and %d fetches, want 5 and 0", l, u)
	}
}

func TestATokenOpensAndAWrongOneIsRefused(t *testing.T) {
	root := t.TempDir()
	mirrortest.NewRepo(t, root, "shop.git").Commit("one", map[string]string{"config/deploy.yml": "1"})
	server := mirrortest.ServeHTTP(t, root)
	server.Token = "right"
	url := server.URL + "/shop.git"
	look(t, openIn(t, t.TempDir(), mirror.Remote{URL: url, Auth: mirror.Auth{Token: secret.New("right")}}), "main")
	look(t, open(t, strings.Replace(url, "http://", "http://bo:right@", 1)), "main")

	_, err := open(t, url).Tip(t.Context(), "main")
	wantTrouble(t, err, mirror.ErrAuth, "give a token")
	for _, wrong := range []mirror.Remote{
		{URL: url, Auth: mirror.Auth{Token: secret.New("wrong-canary")}},
		{URL: strings.Replace(url, "http://", "http://bo:wrong-canary@", 1)},
	} {
		_, err = openIn(t, t.TempDir(), wrong).Tip(t.Context(), "main")
		wantTrouble(t, err, mirror.ErrAuth, "refuses the token")
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

func TestARedirectToAnotherHostIsRefusedAndSeesNoToken(t *testing.T) {
	var visits atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer thief.Close()
	honest := httptest.NewServer(http.RedirectHandler(thief.URL+"/shop.git/info/refs?service=git-upload-pack", http.StatusFound))
	defer honest.Close()
	m := openIn(t, t.TempDir(), mirror.Remote{URL: honest.URL + "/shop.git", Auth: mirror.Auth{Token: secret.New("canary")}})
	_, err := m.Tip(t.Context(), "main")
	wantTrouble(t, err, mirror.ErrRedirect, thief.URL)
	if visits.Load() != 0 {
		t.Error("the other host was asked")
	}
}

func TestARedirectWithinTheHostIsFollowedForFetchesToo(t *testing.T) {
	root := t.TempDir()
	mirrortest.NewRepo(t, root, "new.git").Commit("one", map[string]string{"config/deploy.yml": "1"})
	server := mirrortest.ServeHTTP(t, root)
	inner := server.Config.Handler
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/old.git"); ok {
			if r.Method != http.MethodGet {
				http.Error(w, "moved", http.StatusGone)
				return
			}
			http.Redirect(w, r, "/new.git"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		inner.ServeHTTP(w, r)
	})
	wantFile(t, look(t, open(t, server.URL+"/old.git"), "main").Files, "config/deploy.yml", "1")
}

func TestATokenNeverTravelsInTheClear(t *testing.T) {
	pool := mirror.NewPool(t.TempDir())
	defer pool.Close()
	_, err := pool.Open(mirror.Remote{URL: "http://git.example.com/shop.git", Auth: mirror.Auth{Token: secret.New("x")}})
	wantTrouble(t, err, mirror.ErrAddress, "use https")
}

func TestWhatAServerAnswersHasAClearName(t *testing.T) {
	const list = "application/x-git-upload-pack-advertisement"
	for name, c := range map[string]struct {
		status     int
		kind, body string
		want       error
		says       string
	}{
		"a web page":           {200, "text/html", "<html>", mirror.ErrNotFound, "not as a Git server"},
		"not pkt-lines":        {200, list, "hello world", mirror.ErrProtocol, "not Git's protocol"},
		"cut off":              {200, list, "001e# service=git-upload-pack\n0000", mirror.ErrUnreachable, "hung up"},
		"a line that is short": {200, list, "001e# service=git-upload-pack\n000000ffabc", mirror.ErrUnreachable, "hung up"},
		"ERR":                  {200, list, "001e# service=git-upload-pack\n0000001aERR access denied to x", mirror.ErrAuth, "access denied to x"},
		"500":                  {500, "", "", mirror.ErrUnreachable, "HTTP 500"},
		"403":                  {403, "", "", mirror.ErrAuth, "HTTP 403"},
		"404":                  {404, "", "", mirror.ErrNotFound, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			_, err := open(t, server.URL+"/shop.git").Tip(t.Context(), "main")
			wantTrouble(t, err, c.want, c.says)
		})
	}
}

func TestAServerMayAskToBeLeftAlone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	_, err := open(t, server.URL+"/shop.git").Tip(t.Context(), "main")
	wantTrouble(t, err, mirror.ErrUnreachable, "HTTP 429")
	if trouble, _ := errors.AsType[*mirror.Trouble](err); trouble.RetryAfter != 2*time.Minute {
		t.Errorf("retry after %v, want 2m", trouble.RetryAfter)
	}
}

func TestAServerThatStallsInThePackIsGivenUp(t *testing.T) {
	root := t.TempDir()
	mirrortest.NewRepo(t, root, "shop.git").Commit("one", map[string]string{"config/deploy.yml": "1"})
	server := mirrortest.ServeHTTP(t, root)
	inner := server.Config.Handler
	stall := make(chan struct{})
	defer close(stall)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			inner.ServeHTTP(w, r)
			return
		}
		_, _ = w.Write([]byte("0008NAK\n0010\x01PACK\x00\x00\x00\x02"))
		w.(http.Flusher).Flush()
		<-stall
	})
	m := open(t, server.URL+"/shop.git")
	tip, err := m.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err = m.Fetch(ctx, tip, deployFiles)
	wantTrouble(t, err, mirror.ErrUnreachable, "enough")
}

func TestACommitThatVanishedIsToldAsMoved(t *testing.T) {
	root := t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git")
	repo.Commit("one", map[string]string{"config/deploy.yml": "1"})
	server := mirrortest.ServeHTTP(t, root)
	m := open(t, server.URL+"/shop.git")
	tip, err := m.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	repo.Git("commit", "--quiet", "--amend", "-m", "rewritten")
	repo.Push()
	mirrortest.Git(t, repo.Dir, "-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")
	_, err = m.Fetch(t.Context(), tip, deployFiles)
	wantTrouble(t, err, mirror.ErrMoved, "looking again")
}

func TestTwentyThousandRefsArePassedWithoutKeepingThem(t *testing.T) {
	root := t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git")
	sha := repo.Commit("one", map[string]string{"config/deploy.yml": "1"})
	var refs strings.Builder
	refs.WriteString("# pack-refs with: peeled fully-peeled sorted \n" + sha + " refs/heads/main\n")
	for n := range 20_000 {
		fmt.Fprintf(&refs, "%s refs/pull/%05d/head\n", sha, n)
	}
	if err := os.WriteFile(filepath.Join(repo.Dir, "packed-refs"), []byte(refs.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	m := open(t, mirrortest.ServeHTTP(t, root).URL+"/shop.git")
	if tip, err := m.Tip(t.Context(), "refs/pull/19999/head"); err != nil || tip.SHA != sha {
		t.Fatalf("tip = %+v, %v", tip, err)
	}
	if allocs := testing.AllocsPerRun(3, func() {
		if _, err := m.Tip(t.Context(), "refs/pull/19999/head"); err != nil {
			t.Error(err)
		}
	}); allocs > 2_000 {
		// The CGI server of the test allocates in the same process.
		t.Errorf("%v allocations for a list of 20,000 refs", allocs)
	}
}
