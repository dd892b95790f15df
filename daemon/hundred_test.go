package daemon

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/approach"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/hosttest"
	"github.com/fairlead-deploy/fairlead/daemon/registries"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	fleetssh "github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// fleetOf is a deployer, wired as the daemon's, and servers in this process.
type fleetOf struct {
	t       *testing.T
	servers []*hosttest.Server
	daemon  *Daemon
	conf    *config.Config
	stop    func()
	version int // that was pushed last
	daemons int // that have used the servers
	dial    fleetssh.DialFunc
	more    string // of deploy.yml

	deployer *deployer.Deployer
}

// newFleetOf starts n such servers and a deployer over a store in a folder.
func newFleetOf(t *testing.T, n int, like hosttest.Options) *fleetOf {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	like.Signer = signer
	f := &fleetOf{t: t}
	if like.Network != nil {
		f.dial = like.Network.Dial
	}
	dir := t.TempDir()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	var ssh []*sshtest.Server
	var hosts strings.Builder
	for i := range n {
		s := hosttest.Start(t, like)
		f.servers, ssh = append(f.servers, s), append(ssh, s.Server)
		fmt.Fprintf(&hosts, "  h%03d: { address: %s, port: %d }\n", i, s.Host, s.Port)
	}
	file := filepath.Join(dir, "fairlead.yml")
	text := fmt.Sprintf("repositories:\n  shop: { url: /srv/shop.git, mode: deploy }\nhosts:\n%sssh: { key: %s, known_hosts: %s, user: root }\ndata_dir: %s\nsocket: %s\nlisten: none\n",
		hosts.String(), filepath.Join(dir, "key"), sshtest.KnownHosts(t, ssh...), filepath.Join(dir, "data"), filepath.Join(dir, "sock"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if f.conf, err = config.Load(file); err != nil {
		t.Fatal(err)
	}
	f.open(store.Open(t.Context(), f.conf.DataDir, store.Options{}))
	return f
}

// open begins with a store, as a daemon that starts does.
func (f *fleetOf) open(s *store.Store, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	f.daemons++
	f.daemon = &Daemon{o: Options{Log: slog.New(slog.DiscardHandler)}, store: s, random: &lockedRand{r: mathrand.New(mathrand.NewPCG(1, 2))}}
	pool := host.NewPool(host.Config{
		Identity: fleetssh.Identity{KnownHosts: f.conf.SSH.KnownHosts, KeyFiles: f.conf.SSH.Keys},
		Jitter:   func() time.Duration { return time.Duration(f.daemon.random.Float64() * float64(100*time.Millisecond)) },
		Unique:   unique, Dial: f.dial,
	}, f.daemon.o.Log)
	reg, err := registries.Open(f.conf)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.deployer, err = f.daemon.newDeployer(f.conf, newFleet(pool, approach.Ways{Config: f.conf}, f.daemon.o.Binary, f.daemon.o.Log, reg), reg); err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = f.deployer.Run(ctx) })
	f.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := pool.Close(); err != nil {
			f.t.Errorf("close the connections: %v", err)
		}
		if err := s.Close(); err != nil {
			f.t.Errorf("close the store: %v", err)
		}
	})
	f.t.Cleanup(f.stop)
}

// push submits a version as a commit of its own and returns what became of it,
// and how long that took.
func (f *fleetOf) push(version int) (release.Release, time.Duration) {
	f.t.Helper()
	began := time.Now()
	f.version = version
	return f.submit(version, fmt.Sprintf("%040d", version), release.CausePush), time.Since(began)
}

func (f *fleetOf) submit(version int, sha string, kind release.CauseKind) release.Release {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	seq, err := f.daemon.store.LastSeq(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	f.hand(ctx, version, sha, kind)
	for {
		if err := f.daemon.store.Wait(ctx, seq); err != nil {
			f.t.Fatalf("no end of the rollout: %v", err)
		}
		events, err := f.daemon.store.Events(ctx, seq, 100)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, ev := range events {
			seq = ev.Seq
			if ev.Release != nil && ev.Release.Revision.SHA == sha && (ev.Release.Status.Terminal() || ev.Release.Status == release.Waiting) {
				return *ev.Release
			}
		}
	}
}

// hand hands in what submit waits for.
func (f *fleetOf) hand(ctx context.Context, version int, sha string, kind release.CauseKind) {
	f.t.Helper()
	var names []string
	for i := range f.servers {
		names = append(names, fmt.Sprintf("h%03d", i))
	}
	text := fmt.Sprintf("service: shop\nimage: registry.test/shop@sha256:%012x%052x\nservers: { web: [%s] }\nproxy: { host: shop.test, app_port: 80, healthcheck: { path: /up, interval: 1 } }\nx-fairlead: { window: 0s }\n%s",
		version, 0, strings.Join(names, ", "), f.more)
	req := release.Request{Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: sha}, Cause: release.Cause{Kind: kind}}
	if err := f.deployer.Submit(ctx, req, fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}); err != nil {
		f.t.Fatal(err)
	}
}

// serves checks that each server runs one container of the service, of that
// version, and sends its traffic there.
func (f *fleetOf) serves(version int) {
	f.t.Helper()
	for i, s := range f.servers {
		var web []string
		for name, image := range s.Containers() {
			if strings.HasPrefix(name, "shop-web-") && strings.Contains(image, fmt.Sprintf("%012x", version)) {
				web = append(web, name)
			}
		}
		running := slices.Sorted(func(yield func(string) bool) {
			for name := range s.Containers() {
				if !yield(name) {
					return
				}
			}
		})
		if len(web) != 1 || len(running) != 2 || s.Route("shop-web") != web[0] {
			f.t.Fatalf("server %d runs %q and sends its traffic to %q; want version %d", i, running, s.Route("shop-web"), version)
		}
	}
}

// polite checks that no server's sshd came near one of its limits: one
// connection of this daemon, which has its sessions.
func (f *fleetOf) polite() {
	f.t.Helper()
	for i, s := range f.servers {
		if s.Connections.Load() != int64(f.daemons) || s.Refused.Load() != 0 || s.MostWaiting.Load() > 1 {
			f.t.Fatalf("server %d had %d connections of %d daemons, %d sessions over its limit, and up to %d connections without a login",
				i, s.Connections.Load(), f.daemons, s.Refused.Load(), s.MostWaiting.Load())
		}
	}
}

var realTime = flag.Bool("hundred.real", false, "deploy to the hundred servers in real time, over the loopback device")

// TestADeployToAHundredServersTakesLittleLongerThanToTen deploys twice, from
// cold and on kept connections, with the same distance to all servers. Time is
// that of a bubble, in which only waiting takes any: what stands in a queue
// shows on every machine, whatever else it does. What the processor has to do is
// bounded besides. -hundred.real measures both together.
func TestADeployToAHundredServersTakesLittleLongerThanToTen(t *testing.T) {
	const most = 1.5
	const mostCPU = 100 * time.Millisecond // for a server more, what plays the server included
	took, cpu := map[string]time.Duration{}, map[string]time.Duration{}
	measure := func(t *testing.T, n int, like hosttest.Options) {
		like.RoundTrip, like.Boot = 25*time.Millisecond, 2*time.Second
		f := newFleetOf(t, n, like)
		for version, kind := range []string{"cold", "warm"} {
			used := processorTime(t)
			r, d := f.push(version + 1)
			if r.Status != release.Succeeded {
				t.Fatalf("the release is %s: %s", r.Status, r.Reason)
			}
			f.serves(version + 1)
			f.polite()
			key := fmt.Sprint(kind, " ", n)
			took[key], cpu[key] = d, processorTime(t)-used
		}
	}
	for _, n := range []int{10, 100} {
		if *realTime {
			measure(t, n, hosttest.Options{})
			continue
		}
		synctest.Test(t, func(t *testing.T) { measure(t, n, hosttest.Options{Network: &hosttest.Network{}}) })
	}
	for _, kind := range []string{"cold", "warm"} {
		few, many := kind+" 10", kind+" 100"
		ratio, each := took[many].Seconds()/took[few].Seconds(), (cpu[many]-cpu[few])/90
		t.Logf("%s: 10 servers %s, 100 servers %s: %.2f times as long; %s of a processor for each server more", kind,
			took[few].Round(time.Millisecond), took[many].Round(time.Millisecond), ratio, each.Round(time.Millisecond))
		if ratio > most {
			t.Errorf("a %s deploy to a hundred servers takes %.2f times as long as to ten, at most %.1f is promised", kind, ratio, most)
		}
		if each > mostCPU {
			t.Errorf("a %s deploy costs %s of a processor for each server, at most %s is right", kind, each, mostCPU)
		}
	}
}

// processorTime is what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestADatabaseThatWasDamagedIsBegunAnewAndNothingIsRedeployed loses a part of
// the database of a fleet that runs: the daemon does not start on it, begins
// another where it is told to, and finds on the servers what Git says.
func TestADatabaseThatWasDamagedIsBegunAnewAndNothingIsRedeployed(t *testing.T) {
	f := newFleetOf(t, 2, hosttest.Options{})
	if r, _ := f.push(1); r.Status != release.Succeeded {
		t.Fatalf("the release is %s: %s", r.Status, r.Reason)
	}
	file := filepath.Join(f.conf.DataDir, store.FileName)
	for version, damage := range map[int]func(size int64) error{
		2: func(size int64) error { return os.Truncate(file, size/2) },
		3: func(int64) error { return os.Truncate(file, 0) },
		4: func(size int64) error { return os.WriteFile(file, make([]byte, size), 0o600) },
	} {
		f.stop()
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(info.Size()); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), f.conf.DataDir, store.Options{}); !errors.Is(err, store.ErrCorrupt) {
			t.Fatalf("it starts on a damaged database: %v", err)
		}
		made := f.created()
		s, aside, err := store.Rebuild(t.Context(), f.conf.DataDir, store.Options{})
		if aside == "" {
			t.Error("the damaged database was not set aside")
		}
		f.open(s, err)
		was := f.version
		if r := f.submit(was, fmt.Sprintf("%040d", was), release.CauseStart); r.Status != release.Unchanged {
			t.Errorf("after it the release is %s: %s: %v", r.Status, r.Reason, r.Changes)
		}
		if n := f.created() - made; n != 0 {
			t.Errorf("%d containers were made although nothing had changed", n)
		}
		f.serves(was)
		if r, _ := f.push(version); r.Status != release.Succeeded {
			t.Errorf("the next commit is %s: %s", r.Status, r.Reason)
		}
		f.serves(version)
	}
}

// created counts the containers that were ever made.
func (f *fleetOf) created() (n int) {
	for _, s := range f.servers {
		n += s.Calls("POST/create")
	}
	return n
}
