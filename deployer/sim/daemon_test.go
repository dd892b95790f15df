package sim

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const (
	web    = "shop-web"
	window = 10 * time.Second
	// calm is longer than any rollout of these tests, its way back and the
	// longest pause between two tries.
	calm = 20 * time.Minute
)

// commit is one revision of the repository.
type commit struct {
	sha    string
	image  string // tag; empty leaves the image to the commit
	env    string // a clear variable's value
	alone  bool   // there is no role but web
	more   string // YAML below x-fairlead
	proxy  string // YAML below proxy
	script string // of .kamal/hooks/pre-app-boot
}

func (c commit) revision() release.Revision {
	return release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: c.sha + strings.Repeat("0", 40-len(c.sha)), Subject: "change"}
}

func (c commit) files(hosts []string) fs.FS {
	image := "acme/shop"
	if c.image != "" {
		image += ":" + c.image
	}
	text := fmt.Sprintf(`
service: shop
image: %s
servers:
  web:
    hosts: [%s]
  worker:
    hosts: [%s]
    cmd: bin/work
proxy:
  host: shop.example.com
  app_port: 3000
%svolumes: ["data-%s:/data"]
labels: {tier: "front-%s"}
env:
  secret: [KEY]
  clear:
    COLOUR: %q
x-fairlead:
  window: %s
%s`, image, strings.Join(hosts, ", "), hosts[0], c.proxy, cmp.Or(c.image, "own"), cmp.Or(c.image, "own"), c.env, window, c.more)
	if c.alone {
		before, worker, _ := strings.Cut(text, "  worker:\n")
		text = before + worker[strings.Index(worker, "proxy:\n"):]
	}
	files := fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}
	if c.script != "" {
		files[".kamal/hooks/pre-app-boot"] = &fstest.MapFile{Data: []byte(c.script), Mode: 0o755}
	}
	return files
}

// daemon runs deployers, one after another, on one world.
type daemon struct {
	t        *testing.T
	world    *fleettest.World
	mode     deployer.Mode
	tip      commit
	owner    string
	m        *fleettest.Memory
	past     []commit // before the tip, oldest first, where it matters
	hosts    []string // that deploy.yml names; nil: all of the world
	allow    []string // what the operator lets a push do beside containers
	torn     bool     // humans stop containers: what was seen may be gone a moment later
	key      string   // the value of the secret KEY, from now on
	rotating sync.Mutex
	fidelity fidelity // what ran, for P6

	process *fleettest.Process
	d       *deployer.Deployer
	cancel  context.CancelFunc
	ended   chan struct{}
	log     *slog.Logger
}

func begin(t *testing.T, seed uint64, hosts ...string) *daemon {
	w := fleettest.New(seed, hosts...)
	w.Push("acme/shop:v1", fleettest.App{Boot: 2 * time.Second})
	w.Push("acme/shop:v2", fleettest.App{Boot: 3 * time.Second})
	s := &daemon{t: t, world: w, owner: "installation-1", m: w.Memory, key: "first", log: slog.New(slog.DiscardHandler)}
	if *verbose {
		s.log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	w.Memory.Saved = func(r release.Release) {
		s.proven(r)
		s.faithful(r)
	}
	s.start()
	return s
}

// proven is the rule that a release succeeds only when every host was seen
// with it after the window (P5). The world's lock is held.
func (s *daemon) proven(r release.Release) {
	if r.Status != release.Succeeded {
		return
	}
	if r.Live.IsZero() || r.Ended.Sub(r.Live) < window || r.Failure != nil {
		s.t.Errorf("P5: %s succeeded, live %s, ended %s, failure %v", r.ID, r.Live, r.Ended, r.Failure)
	}
	for _, h := range r.Hosts {
		name := h.Host
		if h.State != "new" {
			continue
		}
		if got := s.world.Host(name).ServingNow(web); got != r.Version && !s.torn {
			s.t.Errorf("P5: %s succeeded with %s while %s serves %q", r.ID, r.Version, name, got)
		}
	}
}

// start begins a new daemon process on the world as it is.
func (s *daemon) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan struct{})
	s.process = s.world.Start(s.owner, s.m, cancel)
	s.d = deployer.New(deployer.Options{
		Memory: s.process.Hand(), Fleet: s.process, Registry: s.process,
		Settings: func(string) (deployer.Settings, bool) {
			return deployer.Settings{Mode: s.mode, Allow: s.allow, Policy: policy.Policy{Allow: []string{"hooks"}}, Secrets: func(context.Context, fs.FS, string, string) (secret.Source, error) {
				return secret.Source{vault{s}}, nil
			}}, true
		},
		Owner: s.owner, Rand: rand.New(rand.NewPCG(s.world.Seed, 1)), Log: s.log,
	})
	go func(d *deployer.Deployer, ended chan struct{}) {
		defer close(ended)
		_ = d.Run(ctx)
	}(s.d, s.ended)
	if s.tip.sha != "" {
		s.look(release.CauseStart)
	}
}

// rival starts a second installation that watches the same repository.
func (s *daemon) rival() *daemon {
	r := &daemon{t: s.t, world: s.world, owner: "installation-2", key: s.key, m: s.world.Another(), log: s.log, mode: deployer.ModeDeploy}
	r.start()
	return r
}

// stop ends the daemon as SIGTERM does, and waits for it.
func (s *daemon) stop() {
	s.cancel()
	<-s.ended
}

// push makes a commit the branch's tip and lets the daemon see it.
func (s *daemon) push(c commit) {
	s.tip = c
	s.look(release.CausePush)
}

// named returns the hosts in deploy.yml.
func (s *daemon) named() []string {
	if s.hosts != nil {
		return s.hosts
	}
	return s.world.Hosts()
}

func (s *daemon) look(kind release.CauseKind) {
	err := s.d.Submit(s.t.Context(), release.Request{Revision: s.tip.revision(), Cause: release.Cause{Kind: kind}}, s.files())
	if err != nil && s.t.Context().Err() == nil {
		s.log.Info("submit refused", "error", err)
	}
}

// ask commands something as a person.
func (s *daemon) ask(req release.Request) {
	s.t.Helper()
	req.Revision.Repo = "shop"
	req.Cause = release.Cause{Kind: release.CauseManual, Actor: "ana"}
	if err := s.d.Command(s.t.Context(), req); err != nil {
		s.t.Errorf("command: %v", err)
	}
}

// pass lets virtual time pass, looking at Git every five minutes as the
// watcher's reconciling does.
func (s *daemon) pass(d time.Duration) {
	const interval = 5 * time.Minute
	for ; d > 0; d -= interval {
		time.Sleep(min(d, interval))
		synctest.Wait()
		if d >= interval && s.tip.sha != "" {
			s.look(release.CauseReconcile)
		}
	}
}

// runs checks that every host serves the version on its route and runs nothing
// else.
func (s *daemon) runs(version string) {
	s.t.Helper()
	for i, name := range s.named() {
		h := s.world.Host(name)
		if got := h.Serving(web); got != version {
			s.t.Errorf("%s serves %q, want %q", name, got, version)
		}
		if got := h.Running("web"); len(got) != 1 || got[0] != version {
			s.t.Errorf("%s runs web %v, want only %s", name, got, version)
		}
		if got := h.Running("worker"); i == 0 && !s.tip.alone && (len(got) != 1 || got[0] != version) {
			s.t.Errorf("%s runs worker %v, want only %s", name, got, version)
		}
	}
}

// last checks how the newest release stands.
func (s *daemon) last(status release.Status) release.Release {
	s.t.Helper()
	r := s.world.Memory.Last()
	if r.Status != status {
		s.t.Errorf("release %s is %s (%s), want %s", r.ID, r.Status, r.Reason, status)
	}
	return r
}

// lawful checks that no rule was broken and that nothing is left behind.
func (s *daemon) lawful() {
	s.t.Helper()
	for _, v := range s.world.Violations() {
		s.t.Error(v)
	}
	for _, name := range s.world.Hosts() {
		if locks := s.world.Host(name).Locks(); len(locks) > 0 {
			s.t.Errorf("%s is still locked: %v", name, locks)
		}
	}
}

// quiet checks that three more looks change nothing.
func (s *daemon) quiet() {
	s.t.Helper()
	before := len(s.world.Effects())
	for range 3 {
		s.look(release.CauseReconcile)
		time.Sleep(calm)
		synctest.Wait()
	}
	for i, e := range s.world.Effects()[before:] {
		if i == 5 {
			s.t.Error("and more")
			break
		}
		s.t.Errorf("a look without need did %s", e)
	}
}

// kamal puts a version on all hosts as Kamal's own CLI would have.
func (s *daemon) kamal(version string) {
	s.t.Helper()
	deploy, _, err := spec.Load(commit{sha: "k", image: version}.files(s.world.Hosts()), spec.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	want, err := plan.Want(deploy, plan.Inputs{Version: version, Secrets: map[string]secret.Value{"KEY": secret.New(s.key)}})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, u := range want.Units {
		for _, own := range []string{plan.LabelRelease, plan.LabelRevision, plan.LabelRoute} {
			delete(u.Spec.Labels, own)
		}
		s.world.Host(u.Host).Adopt(u.Name, u.Spec, u.Route)
	}
	time.Sleep(time.Minute)
}
