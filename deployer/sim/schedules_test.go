package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestRandomSchedulesEndWell lets each seed choose hosts, commits, broken
// versions, secrets that rotate, tags that move, faults of the network, hosts
// that come and go, crashes, and wishes of people; then heals the world and
// looks whether all comes to rest where it must.
func TestRandomSchedulesEndWell(t *testing.T) {
	play(t, func(uint64) string { return "" })
}

// TestEveryStrategyEndsWellUnderRandomFaults is the same of services whose web
// goes host by host, by a canary of hosts or of clients, or stops first; and of
// those that leave out hosts which are away.
func TestEveryStrategyEndsWellUnderRandomFaults(t *testing.T) {
	ways := []string{rolling, canaryOne, canaryShare, stopFirstWeb, skip}
	play(t, func(n uint64) string { return ways[n%uint64(len(ways))] })
}

// play plays each seed's schedule, with what its deploy.yml says of the way.
func play(t *testing.T, way func(seed uint64) string) {
	seen := &tracks{seen: map[string]bool{}}
	begin := time.Now()
	t.Run("seed", func(t *testing.T) {
		for i := range *seeds {
			n := *seed + uint64(i)
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				defer func() { // a bubble that failed ends this goroutine
					if name, _, _ := strings.Cut(t.Name(), "/"); t.Failed() {
						t.Logf("again: go test ./deployer/sim -run '%s$' -sim.n=1 -sim.seed=%d -sim.v", name, n)
					}
				}()
				synctest.Test(t, func(t *testing.T) { schedule(t, n, way(n), seen) })
			})
		}
	})
	t.Logf("%d schedules, %.0f a minute; %d states seen, %d of them new in the second half",
		*seeds, float64(*seeds)/time.Since(begin).Minutes(), len(seen.seen), seen.late)
}

// tracks counts the states that schedules went through: what each host serves
// and runs, and how the newest release stands.
type tracks struct {
	mu   sync.Mutex
	seen map[string]bool
	late int // first seen in the second half of the seeds
}

func (st *tracks) note(s *daemon, late bool) {
	key := string(s.world.Memory.Last().Status)
	for _, name := range s.world.Hosts() {
		h := s.world.Host(name)
		key += fmt.Sprint("|", kind(h.Serving(web)), len(h.Running("web")), len(h.Running("worker")), len(h.Locks()))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.seen[key] {
		st.seen[key] = true
		if late {
			st.late++
		}
	}
}

// kind forgets which version it is: "good12" is "good".
func kind(version string) string { return strings.TrimRight(version, "0123456789") }

// dice is what a seed chooses.
type dice struct {
	*rand.Rand
	s       *daemon
	hosts   []string
	commits int
	news    *rand.Rand // what changes beside Git
	follow  string     // of x-fairlead
	way     string     // of x-fairlead: how hosts follow each other
}

func schedule(t *testing.T, n uint64, way string, seen *tracks) {
	r := rand.New(rand.NewPCG(n, 7))
	hosts := []string{"a", "b", "c"}[:1+r.IntN(3)]
	s := begin(t, n, hosts...)
	d := &dice{Rand: r, s: s, hosts: hosts, news: rand.New(rand.NewPCG(n, 11)), way: way}
	d.follow = []string{"", "", "  follow: [secrets]\n", "  follow: [tag]\n", "  follow: [tag, secrets]\n"}[d.news.IntN(5)] + way
	s.world.Gaps = way == stopFirstWeb
	d.commit(true)
	s.pass(calm)
	s.runs(s.tip.image)

	s.world.SetFaults(d.faults())
	for range 3 + r.IntN(10) {
		synctest.Wait()
		d.event()
		d.change()
		time.Sleep(time.Duration(r.Int64N(int64(40 * time.Second))))
		seen.note(s, n >= *seed+uint64(*seeds/2))
	}
	d.heal()
	d.judge()
	s.stop()
	if t.Failed() && *verbose {
		tell(s)
	}
}

// faults switches each kind on or off, as a swarm: few schedules have all.
func (d *dice) faults() fleettest.Faults {
	chance := func() float64 {
		if d.IntN(3) > 0 {
			return 0
		}
		return d.Float64() * 0.1
	}
	return fleettest.Faults{Before: chance(), Lost: chance(), Hang: chance() / 4, Partial: chance(), Stale: chance(), Slow: chance() * 3}
}

func (d *dice) event() {
	if d.s.world.Crashed() {
		d.s.stop()
		d.s.world.SetCrash(fleettest.Crash{})
		d.s.start()
	}
	h := d.s.world.Host(d.hosts[d.IntN(len(d.hosts))])
	switch d.IntN(12) {
	case 0, 1, 2:
		d.commit(d.IntN(3) > 0)
	case 3:
		h.SetDown(true)
	case 4:
		h.SetDown(false)
	case 5:
		d.s.world.SetRegistry(d.IntN(2) == 0)
	case 6:
		d.s.world.SetCrash(fleettest.Crash{At: len(d.s.world.Effects()) + 1 + d.IntN(80), Before: d.IntN(2) == 0})
	case 7:
		d.s.stop()
		time.Sleep(time.Duration(d.Int64N(int64(time.Minute))))
		d.s.start()
	case 8:
		// Within a rollout a stopped container is a verdict, as it should be.
		if last := d.s.world.Memory.Last(); last.Status.Terminal() || last.Status == release.Waiting {
			d.s.torn = true
			h.Halt([]string{"shop-web", "shop-worker"}[d.IntN(2)])
		}
	case 9:
		d.s.ask(release.Request{Rollback: true})
	case 10:
		d.s.ask([]release.Request{{Resume: true}, {Retry: true}}[d.IntN(2)])
	case 11:
		d.s.look(release.CausePoll)
	}
}

// change gives secrets another value, or pushes another image under the tag of
// the tip, now and then.
func (d *dice) change() {
	switch d.news.IntN(12) {
	case 0:
		d.s.rotate(fmt.Sprint("key", d.news.IntN(3)))
	case 1:
		if !strings.HasPrefix(d.s.tip.image, "good") {
			return
		}
		d.s.world.Push("acme/shop:"+d.s.tip.image, fleettest.App{Boot: time.Duration(d.news.Int64N(int64(8 * time.Second)))})
	case 2:
		d.commits++
		d.s.push(commit{sha: fmt.Sprintf("c%06d", d.commits), image: d.s.tip.image, more: d.follow}) // only words changed
	}
}

// commit pushes a new version, or one that fails in some way.
func (d *dice) commit(good bool) {
	d.commits++
	app := fleettest.App{Boot: time.Duration(d.Int64N(int64(8 * time.Second)))}
	if !good {
		app = []fleettest.App{
			{Status: 503}, {Boot: time.Hour}, {CrashAfter: time.Second, ExitCode: 1}, {CrashAfter: 6 * time.Second, ExitCode: 137, OOM: true},
		}[d.IntN(4)]
		if app.OnlyOn = d.hosts[:1+d.IntN(len(d.hosts))]; d.way == skip {
			app.OnlyOn = nil // else it may succeed without the host that it does not work on
		}
	}
	tag := fmt.Sprintf("good%d", d.commits)
	if !good {
		tag = fmt.Sprintf("bad%d", d.commits)
	}
	d.s.world.Push("acme/shop:"+tag, app)
	d.s.push(commit{sha: fmt.Sprintf("c%06d", d.commits), image: tag, more: d.follow})
}

// heal ends all faults and lets things come to rest.
func (d *dice) heal() {
	w := d.s.world
	w.SetFaults(fleettest.Faults{})
	w.SetRegistry(true)
	w.SetCrash(fleettest.Crash{})
	for _, name := range d.hosts {
		w.Host(name).SetDown(false)
	}
	d.s.stop()
	d.s.start()
	d.s.pass(3 * calm)
}

// judge checks where it all ended: every host alike, on a version that works,
// which is the tip's unless that one is bad or a person holds the lane.
func (d *dice) judge() {
	t, w := d.s.t, d.s.world
	on := w.Host(d.hosts[0]).Serving(web)
	if len(on) < 4 || on[:4] != "good" {
		t.Errorf("%s serves %q", d.hosts[0], on)
	}
	d.s.runs(on)
	good := d.s.tip.image[:4] == "good"
	if good && on != d.s.tip.image && !w.Memory.IsHeld() {
		t.Errorf("Git says %s, the servers run %s and nobody holds them", d.s.tip.image, on)
	}
	if len(images(d.s)) != 1 {
		t.Errorf("the hosts run the images %v", images(d.s))
	}
	if strings.Contains(d.follow, "secrets") && good && on == d.s.tip.image && !w.Memory.IsHeld() && !failed(d.s) {
		keys(d.s, d.s.key)
	}
	open := 0
	for _, r := range w.Memory.Releases() {
		if !r.Status.Terminal() {
			open++
			if r.Status != release.Waiting {
				t.Errorf("release %s is still %s: %s", r.ID, r.Status, r.Reason)
			}
		}
		// What stops first cannot always be started again while faults go on.
		if r.Status == release.NeedsHuman && (d.way != stopFirstWeb || len(r.Hosts) != len(d.hosts)) {
			t.Errorf("release %s needs a human: %s, hosts %v", r.ID, r.Reason, r.Hosts)
		}
	}
	if open > 1 {
		t.Errorf("%d releases are open", open)
	}
	d.s.lawful()
	d.s.quiet()
}

// failed tells whether what brought changed secrets failed of late: then they
// rest.
func failed(s *daemon) bool {
	return slices.ContainsFunc(s.world.Memory.Releases(), func(r release.Release) bool {
		return r.Status == release.RolledBack && strings.Contains(r.Reason, "with changed secrets")
	})
}

func tell(s *daemon) {
	for _, e := range s.world.Effects() {
		s.t.Logf("%s %s", e.At.Format("15:04:05.000"), e)
	}
	for _, e := range s.world.Memory.Events() {
		s.t.Logf("%s %s %s: %s", e.At.Format("15:04:05.000"), e.Kind, e.Key, e.Message)
	}
}
