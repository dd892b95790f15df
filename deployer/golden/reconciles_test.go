package golden_test

import (
	"context"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// reconciles is how often each recording is looked after.
const reconciles = 5000

// TestContainersOfEarlierVersionsAndOfKamalAreNeverReplaced lets today's
// Fairlead look after each recording for two weeks and more, while it stops, is
// killed and starts, and the engine stops and comes back: first it takes the
// containers over, then nothing is done to any of them.
func TestContainersOfEarlierVersionsAndOfKamalAreNeverReplaced(t *testing.T) {
	folders, err := filepath.Glob("testdata/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			rec := load(t, dir)
			d := want(t, os.DirFS(dir), rec)
			seen := look(t, d, rec).Hosts[rec.Host].Containers
			text, err := os.ReadFile(filepath.Join(dir, "deploy.yml"))
			if err != nil {
				t.Fatal(err)
			}
			t.Run("as it was", func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := adopt(t, d, rec, seen, string(text))
					f.lookAfter(t)
					if done := f.done(); len(done) > 0 {
						t.Errorf("%d effects on what was adopted, the first: %s", len(done), done[0])
					}
				})
			})
			t.Run("with another variable", func(t *testing.T) { // the check can fail
				synctest.Test(t, func(t *testing.T) {
					f := adopt(t, d, rec, seen, strings.Replace(string(text), "RAILS_ENV: production", "RAILS_ENV: staging", 1))
					f.look(release.CausePush)
					time.Sleep(time.Hour)
					if done := f.done(); len(done) == 0 {
						t.Error("a changed variable changed nothing")
					}
					f.stop()
				})
			})
		})
	}
}

// fleet is one host with what was recorded, and a daemon.
type fleet struct {
	world   *fleettest.World
	files   fs.FS
	host    string
	secrets map[string]string

	process *fleettest.Process
	d       *deployer.Deployer
	cancel  context.CancelFunc
	ended   chan struct{}
}

func adopt(t *testing.T, d plan.Desired, rec recording, seen []container.Observed, text string) *fleet {
	t.Helper()
	f := &fleet{
		world: fleettest.New(1, rec.Host), host: rec.Host, secrets: rec.Secrets,
		files: fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}},
	}
	if len(seen) != len(d.Units) {
		t.Fatalf("%d containers were recorded, %d are wanted", len(seen), len(d.Units))
	}
	for _, u := range d.Units {
		i := slices.IndexFunc(seen, func(c container.Observed) bool { return c.Name == u.Name })
		if i < 0 {
			t.Fatalf("%s was not recorded", u.Name)
		}
		f.world.PushAs(u.Spec.Image, rec.Digest, fleettest.App{Boot: 2 * time.Second})
		f.world.Host(rec.Host).AdoptRecorded(seen[i], rec.Digest, u.Route)
	}
	time.Sleep(time.Minute)
	f.start()
	return f
}

func (f *fleet) start() {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.ended = cancel, make(chan struct{})
	f.process = f.world.Start("installation", f.world.Memory, cancel)
	settings := deployer.Settings{Mode: deployer.ModeDeploy, Secrets: func(context.Context, fs.FS, string, string) (secret.Source, error) {
		return secret.Source{kept(f.secrets)}, nil
	}}
	f.d = deployer.New(deployer.Options{
		Memory: f.process.Hand(), Fleet: f.process, Registry: f.process,
		Settings: func(string) (deployer.Settings, bool) { return settings, true },
		Owner:    "installation", Rand: rand.New(rand.NewPCG(1, 1)), Log: slog.New(slog.DiscardHandler),
	})
	go func(d *deployer.Deployer, ended chan struct{}) {
		defer close(ended)
		_ = d.Run(ctx)
	}(f.d, f.ended)
}

func (f *fleet) stop() {
	f.cancel()
	<-f.ended
}

func (f *fleet) look(kind release.CauseKind) {
	req := release.Request{Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: sha}, Cause: release.Cause{Kind: kind}}
	_ = f.d.Submit(context.Background(), req, f.files) // refused by one that stops
}

// lookAfter reconciles, with something going down and coming back again and
// again.
func (f *fleet) lookAfter(t *testing.T) {
	t.Helper()
	f.look(release.CausePush)
	h := f.world.Host(f.host)
	for i := range reconciles / 10 {
		var end func()
		switch i % 5 {
		case 0:
			f.stop()
			f.start()
		case 1:
			f.process.Kill()
			f.stop()
			f.start()
		case 2:
			h.SetEngineStopping(true)
			end = func() { h.SetEngineStopping(false) }
		case 3:
			h.SetDown(true)
			end = func() { h.SetDown(false) }
		}
		for n := range 10 {
			f.look(release.CauseReconcile)
			time.Sleep(time.Minute)
			if end != nil && n == 4 {
				end()
			}
		}
	}
	time.Sleep(time.Hour)
	if last := f.world.Memory.Last(); last.Status != release.Unchanged && last.Status != release.Succeeded {
		t.Errorf("at the end it is %s: %s", last.Status, last.Reason)
	}
	for _, broken := range f.world.Violations() {
		t.Error(broken)
	}
	f.stop()
}

// done are the effects on containers, and on what they were made of.
func (f *fleet) done() []fleettest.Effect {
	return slices.DeleteFunc(f.world.Effects(), func(e fleettest.Effect) bool {
		return !slices.Contains([]string{"create", "rename", "remove", "stop", "remove route", "pull"}, e.Kind())
	})
}

// kept are the secrets of a recording.
type kept map[string]string

func (k kept) Lookup(name string) (secret.Value, bool, error) {
	v, ok := k[name]
	return secret.New(v), ok, nil
}

func (k kept) String() string { return strings.Join(slices.Sorted(maps.Keys(k)), ", ") }
