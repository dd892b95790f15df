package sim

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestAPanicAtAnyEffectIsContainedAndToldAndTheLaneGoesOn has a fault of the
// program's own before and after each single effect, in whatever goroutine does
// it: nobody restarts the daemon, and all ends as it would have.
func TestAPanicAtAnyEffectIsContainedAndToldAndTheLaneGoesOn(t *testing.T) {
	all := stories()
	const away = "host that is away"
	all[away] = story{
		before: func(s *daemon) {
			s.push(v("1"))
			s.pass(calm)
			s.world.Host("b").SetDown(true)
		},
		do: func(s *daemon) { s.push(v("2")) },
		end: func(s *daemon) {
			s.world.Host("b").SetDown(false)
			s.pass(calm)
			s.runs("v2")
			s.last(release.Succeeded)
		},
	}
	for _, name := range []string{"deploy", "automatic rollback", "stop-first roles", "canary", away} {
		st := all[name]
		t.Run(name, func(t *testing.T) {
			first, last := count(t, st)
			told := 0
			for n := first; n <= last; n++ {
				for _, before := range []bool{true, false} {
					t.Run(fmt.Sprintf("%d/%t", n, before), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { told += panics(t, st, fleettest.Crash{At: n, Before: before, Panic: true}) })
					})
				}
			}
			// A panic in the telling itself is in the log alone, and it is tried again.
			if points := 2 * (last - first + 1); told < points*3/4 && name != away {
				t.Errorf("at %d of %d points nothing was told", points-told, points)
			}
		})
	}
}

// panics plays a story with one panic and returns 1 where it was told.
func panics(t *testing.T, st story, crash fleettest.Crash) (told int) {
	s := begin(t, 1, two...)
	st.before(s)
	s.world.SetCrash(crash)
	st.do(s)
	s.pass(2 * calm)
	if !s.world.Crashed() {
		t.Error("the effect was never reached")
	}
	st.end(s)
	s.lawful()
	if n := s.world.Memory.Alerts(); n != 0 {
		t.Errorf("%d alerts are left", n)
	}
	for _, ev := range s.world.Memory.Events() {
		if strings.Contains(ev.Message, "a fault in Fairlead itself") && strings.Contains(ev.Message, "please report it") {
			told = 1
		}
	}
	s.quiet()
	s.stop()
	if t.Failed() {
		tell(s)
	}
	return told
}

// TestAPanicWhileHostsAreReadIsContained lets each kind of look panic once.
func TestAPanicWhileHostsAreReadIsContained(t *testing.T) {
	for _, call := range []string{"connect", "list containers", "list routes", "inspect ", "get /up", "image "} {
		t.Run(call, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				s.push(v("1"))
				s.pass(calm)
				s.world.Next("b", call, fleettest.Panics)
				s.push(v("2"))
				s.pass(calm)
				if n := s.world.Forced(); n > 0 {
					t.Errorf("%d faults never came", n)
				}
				s.runs("v2")
				s.last(release.Succeeded)
				s.quiet()
			})
		})
	}
}

// TestOneServicesPanicsHoldUpNoOther lets every attempt of one service panic
// for an hour, while another is deployed as ever.
func TestOneServicesPanicsHoldUpNoOther(t *testing.T) {
	scenario(t, []string{"a", "b", "c"}, func(s *daemon) {
		s.hosts = two
		blog := v("1").revision()
		blog.Repo = "blog"
		text := "service: blog\nimage: acme/shop:v1\nservers: [c]\nproxy: {host: blog.example.com, app_port: 3000}\nx-fairlead: {window: 10s}\n"
		const often = 500
		for range often {
			s.world.Next("c", "list containers", fleettest.Panics)
		}
		files := fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}
		if err := s.d.Submit(s.t.Context(), release.Request{Revision: blog, Cause: release.Cause{Kind: release.CausePush}}, files); err != nil {
			s.t.Fatal(err)
		}
		for _, n := range []string{"1", "2"} {
			s.push(v(n))
			s.pass(calm)
			s.runs("v" + n)
			s.last(release.Succeeded)
		}
		s.pass(time.Hour)
		tried := often - s.world.Forced()
		if tried < 3 || tried > 100 {
			s.t.Errorf("the other one was tried %d times", tried)
		}
		if n := s.world.Memory.Alerts(); n != 1 {
			s.t.Errorf("%d alerts, want one about the other service", n)
		}
	})
}
