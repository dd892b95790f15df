package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// ran is what each role ran, by host and role.
type ran map[string]map[string]fleettest.Unit

// put notes what runs now.
func (r ran) put(host, role string, u fleettest.Unit) {
	if r[host] == nil {
		r[host] = map[string]fleettest.Unit{}
	}
	r[host][role] = u
}

// fidelity remembers what ran, to compare it with what runs after going back.
type fidelity struct {
	now  ran                // as the last releases left it
	of   map[release.ID]ran // as each release left it that succeeded
	seen map[release.ID]bool
	// apart are the hosts that the last success left out: a way back catches
	// them up too, to what the others went back to.
	apart map[string]bool
	// compared counts comparisons, made those of containers that had to be made
	// again.
	compared int
}

// faithful is the rule that what runs after going back, by itself or because a
// person asked, is what ran before, field for field (P6). The world's lock is
// held.
func (s *daemon) faithful(r release.Release) {
	f := &s.fidelity
	if f.seen == nil {
		*f = fidelity{now: ran{}, of: map[release.ID]ran{}, seen: map[release.ID]bool{}, apart: map[string]bool{}}
	}
	switch {
	case r.Status == release.Succeeded:
		if origin := s.m.OriginNow(r.ID); origin != "" {
			s.alike(r, f.of[origin], "new")
		}
		f.of[r.ID] = ran{}
		if r.Only == "" {
			for _, name := range s.world.Hosts() {
				f.apart[name] = true
				delete(f.now, name)
			}
		}
		for _, h := range r.Hosts {
			if h.State != "new" {
				continue
			}
			delete(f.apart, h.Host)
			for role, units := range s.world.Host(h.Host).RunningNow(r.Lane.Service) {
				f.now.put(h.Host, role, units[0])
				f.of[r.ID].put(h.Host, role, units[0])
			}
		}
	case r.Status == release.RolledBack:
		s.alike(r, f.now, "old")
	case !f.seen[r.ID]: // nothing was done for it yet
		for _, name := range s.world.Hosts() {
			for role, units := range s.world.Host(name).RunningNow(r.Lane.Service) {
				if _, known := f.now[name][role]; !known && !f.apart[name] {
					f.now.put(name, role, units[0])
				}
			}
		}
	}
	f.seen[r.ID] = true
}

// alike compares what runs on the hosts that stand so with what ran.
func (s *daemon) alike(r release.Release, before ran, state string) {
	for _, h := range r.Hosts {
		if h.State != state {
			continue
		}
		units := s.world.Host(h.Host).RunningNow(r.Lane.Service)
		for role, want := range before[h.Host] {
			if len(units[role]) == 0 {
				if !s.torn && r.Only == "" {
					s.t.Errorf("P6: %s is %s and %s runs no %s", r.ID, r.Status, h.Host, role)
				}
				continue
			}
			s.fidelity.compared++
			if !slices.ContainsFunc(units[role], func(u fleettest.Unit) bool { return len(u.Differs(want)) == 0 }) {
				s.t.Errorf("P6: %s is %s, and of %s on %s not as before: %v", r.ID, r.Status, role, h.Host, units[role][0].Differs(want))
			}
		}
	}
}

// vault has the one secret of the repository.
type vault struct{ s *daemon }

func (v vault) Lookup(name string) (secret.Value, bool, error) {
	v.s.rotating.Lock()
	defer v.s.rotating.Unlock()
	return secret.New(v.s.key), name == "KEY", nil
}

// rotate changes the secret while the daemon is at work.
func (s *daemon) rotate(key string) {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	s.key = key
}

func (v vault) String() string { return "the vault" }

// TestGoingBackBringsBackTheSecretsThatRan changes a secret's value at its
// source with the commit that fails, and with the one that a person rolls back.
func TestGoingBackBringsBackTheSecretsThatRan(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.world.Push("acme/shop:v3", fleettest.App{CrashAfter: 7 * time.Second, ExitCode: 1, OnlyOn: []string{"b"}})
		keys := func(want string) {
			t.Helper()
			for _, name := range two {
				if got := s.world.Host(name).Env("web", "KEY"); got != want {
					t.Errorf("%s runs with the key %q, want %q", name, got, want)
				}
			}
		}
		s.push(v("1"))
		s.pass(calm)
		s.key = "second"
		s.push(v("2"))
		s.pass(calm)
		keys("second")
		s.key = "third"
		s.push(v("3"))
		s.pass(2 * time.Minute)
		s.runs("v2")
		keys("second")
		s.ask(release.Request{Rollback: true})
		s.pass(2 * time.Minute)
		s.runs("v1")
		keys("first")
		if s.fidelity.compared < 5 {
			t.Errorf("only %d containers were compared with what ran before", s.fidelity.compared)
		}
	})
}
