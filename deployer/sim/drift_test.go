package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestADriftThatIsNotToBeMendedIsToldOnce removes and stops containers of a
// service whose deploy.yml forbids mending: for hours nothing is done, it is
// told once, host by host, and mended when a person deploys.
func TestADriftThatIsNotToBeMendedIsToldOnce(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(with("1", "  self_heal: false\n"))
		s.pass(calm)
		s.runs("v1")
		before := len(s.world.Effects())
		s.world.Host("a").Halt("shop-worker")
		s.world.Host("b").Remove("shop-web")
		s.torn = true
		s.pass(5 * time.Hour)
		for _, e := range s.world.Effects()[before:] {
			if e.Host != "memory" {
				t.Errorf("it did %s", e)
			}
		}
		told := slices.DeleteFunc(s.world.Memory.Events(), func(ev release.Event) bool { return !strings.Contains(ev.Message, "drift: ") })
		if len(told) != 1 || !strings.Contains(told[0].Message, "a would start container worker (exited)") || !strings.Contains(told[0].Message, "b would create container web") {
			t.Errorf("it was told %d times: %v", len(told), told)
		}
		s.last(release.Waiting)
		s.ask(release.Request{})
		s.pass(calm)
		s.runs("v1")
		s.last(release.Succeeded)
		s.quiet()
	})
}

// groups returns the hosts that switched to a version together: each group is
// at least that long after the one before.
func (s *daemon) groups(version string, apart time.Duration) (sizes []int) {
	at, _ := s.when(version)
	times := slices.Collect(func(yield func(time.Time) bool) {
		for _, t := range at {
			if !yield(t) {
				return
			}
		}
	})
	slices.SortFunc(times, time.Time.Compare)
	for i, t := range times {
		if i == 0 || t.Sub(times[i-1]) >= apart {
			sizes = append(sizes, 0)
		}
		sizes[len(sizes)-1]++
	}
	return sizes
}

func TestSoManyHostsSwitchTogetherAsDeployYmlSays(t *testing.T) {
	for name, c := range map[string]struct {
		more  string
		apart time.Duration
		want  []int
	}{
		"boot.limit as a count":      {"boot: {limit: 3, wait: 60}\n", time.Minute, []int{3, 1}},
		"boot.limit as a percentage": {"boot: {limit: 50%, wait: 60}\n", time.Minute, []int{2, 2}},
		"rolling":                    {"  roles:\n    web: {strategy: rolling}\nboot: {limit: 25%, wait: 60}\n", time.Minute, []int{1, 1, 1, 1}},
		"a canary of two hosts":      {"  roles:\n    web: {strategy: canary, canary: 2}\n", window, []int{2, 2}},
		"a canary of three in four":  {"  roles:\n    web: {strategy: canary, canary: {hosts: 75%, for: 1m}}\n", time.Minute, []int{3, 1}},
		"all":                        {"", time.Second, []int{4}},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, four, func(s *daemon) {
				s.world.Push("acme/shop:v2", fleettest.App{Boot: 3 * time.Second})
				s.push(with("1", c.more))
				s.pass(calm)
				s.push(with("2", c.more))
				s.pass(calm)
				s.runs("v2")
				s.last(release.Succeeded)
				if got := s.groups("v2", c.apart); !slices.Equal(got, c.want) {
					t.Errorf("the hosts switched in groups of %v, want %v", got, c.want)
				}
			})
		})
	}
}
