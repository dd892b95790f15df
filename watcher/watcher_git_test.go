package watcher_test

import (
	"context"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// submission is one call of Submit.
type submission struct {
	request release.Request
	files   fs.FS
}

// inbox takes submissions and looks; it is the deployer and the store.
type inbox struct {
	submissions chan submission
	looks       chan release.Look
}

func newInbox() inbox {
	return inbox{make(chan submission, 10_000), make(chan release.Look, 10_000)}
}

func (i inbox) Submit(_ context.Context, r release.Request, files fs.FS) error {
	i.submissions <- submission{r, files}
	return nil
}

func (i inbox) SaveLook(_ context.Context, l release.Look) error {
	i.looks <- l
	return nil
}

func (i inbox) next(t testing.TB) submission {
	t.Helper()
	select {
	case s := <-i.submissions:
		return s
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was submitted")
		panic("unreachable")
	}
}

// look waits for one that is wanted.
func (i inbox) look(t testing.TB, wanted func(release.Look) bool) release.Look {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case l := <-i.looks:
			if wanted(l) {
				return l
			}
		case <-late:
			t.Fatal("no such look was saved")
		}
	}
}

// watch runs a watcher over real repositories until the test ends.
func watch(t testing.TB, in inbox, repos ...watcher.Repository) *watcher.Watcher {
	t.Helper()
	pool := mirror.NewPool(t.TempDir())
	w, err := watcher.New(watcher.Options{
		Submitter: in, Looks: in,
		Open: func(r watcher.Repository) (watcher.Remote, error) {
			return pool.Open(mirror.Remote{Name: r.Name, URL: r.URL, Auth: r.Auth})
		},
		Random: func() float64 { return 0.5 },
		Log:    slog.New(slog.DiscardHandler),
	}, repos)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		pool.Close()
	})
	return w
}

func TestAPushIsSeenByPollingAndSubmitted(t *testing.T) {
	root := t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git")
	first := repo.Commit("One", map[string]string{"config/deploy.yml": "service: shop\n"})
	server := mirrortest.ServeHTTP(t, root)
	in := newInbox()
	watch(t, in, watcher.Repository{Name: "shop", URL: server.URL + "/shop.git", Branch: "main", Poll: time.Second, Destination: "production"})

	s := in.next(t)
	if s.request.Revision.SHA != first || s.request.Cause.Kind != release.CauseStart || s.request.Destination != "production" {
		t.Errorf("first request = %+v", s.request)
	}
	second := repo.Commit("Two", map[string]string{"config/deploy.yml": "service: store\n"})
	s = in.next(t)
	if s.request.Revision.SHA != second || s.request.Cause.Kind != release.CausePoll {
		t.Errorf("second request = %+v", s.request)
	}
	if got, err := fs.ReadFile(s.files, "config/deploy.yml"); err != nil || string(got) != "service: store\n" {
		t.Errorf("deploy.yml = %q, %v", got, err)
	}
	if l := in.look(t, func(l release.Look) bool { return l.Tip == second }); l.State != "ok" || l.Repo != "shop" {
		t.Errorf("look = %+v", l)
	}
}

func TestAHungRemoteDoesNotHoldUpAHealthyOne(t *testing.T) {
	root := t.TempDir()
	repo := mirrortest.NewRepo(t, root, "shop.git")
	first := repo.Commit("One", map[string]string{"deploy.yml": "service: shop\n"})
	server := mirrortest.ServeHTTP(t, root)
	in := newInbox()
	repos := []watcher.Repository{{Name: "shop", URL: server.URL + "/shop.git"}}
	silent := mirrortest.Silent(t)
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		repos = append(repos, watcher.Repository{Name: name, URL: "http://" + silent + "/" + name + ".git", Poll: time.Second})
	}
	w := watch(t, in, repos...)
	if s := in.next(t); s.request.Revision.SHA != first {
		t.Errorf("submitted %s", s.request.Revision.SHA)
	}
	second := repo.Commit("Two", nil)
	if !w.Trigger("shop", release.Cause{Kind: release.CauseWebhook}) {
		t.Error("the trigger was refused")
	}
	if s := in.next(t); s.request.Revision.SHA != second || s.request.Cause.Kind != release.CauseWebhook {
		t.Errorf("submitted %+v", s.request)
	}
}
