package router

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// trial splits a service by the proxy's own cookie.
func (r *rig) trial(targets []string, percent int) {
	r.t.Helper()
	q := control.RolloutRequest{
		Service: "shop", Targets: targets, DeployTimeout: control.Seconds(5), DrainTimeout: control.Seconds(5),
		Split: &control.Split{Percent: percent, Sticky: true},
	}
	if _, err := r.RolloutDeploy(r.t.Context(), q); err != nil {
		r.t.Fatal(err)
	}
}

// bucketOf returns the cookie of an answer, "" where it has none.
func bucketOf(a reply) string {
	for _, line := range a.header.Values("Set-Cookie") {
		if strings.HasPrefix(line, "fairlead-canary-") {
			return line
		}
	}
	return ""
}

func TestATrialGetsItsShareOfNewClients(t *testing.T) {
	const clients = 20_000
	s := &service{name: "shop", active: newPool([]string{"a:1"}, 0), rollout: newPool([]string{"b:1"}, 0)}
	for _, percent := range []int{0, 1, 10, 50, 99, 100} {
		s.split = &control.Split{Percent: percent, Sticky: true}
		n := 0.0
		for range clients {
			if p, given := s.choose(requestOf()); p == s.rollout {
				n++
			} else if given == nil {
				t.Fatal("a new client got no cookie")
			}
		}
		// Six standard deviations of a fair draw: one run of five hundred million is beyond.
		p := float64(percent) / 100
		if off, most := math.Abs(n/clients-p), 6*math.Sqrt(p*(1-p)/clients); off > most {
			t.Errorf("%d percent: %.4f of the clients", percent, n/clients)
		}
	}
}

func TestAClientOfATrialStaysWhereItIs(t *testing.T) {
	r := newRig(t)
	old, _ := target(t, says("old"))
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old})
	if got := bucketOf(r.get("any", "/")); got != "" {
		t.Errorf("a cookie without a trial: %q", got)
	}
	r.trial([]string{fresh}, 50)
	seen := map[string]string{} // cookie to answer
	for len(seen) < 40 {
		a := r.get("any", "/")
		given := bucketOf(a)
		cookie, attributes, _ := strings.Cut(given, "; ")
		if attributes != "Path=/; HttpOnly; SameSite=Lax" {
			t.Fatalf("the cookie is %q", given)
		}
		if before, ok := seen[cookie]; ok && before != a.body {
			t.Fatalf("%s went to %s and to %s", cookie, before, a.body)
		}
		seen[cookie] = a.body
	}
	again := newRig(t) // another process of the proxy, with the same file
	again.file = r.file
	again.Router.config.Store = r.file
	if err := again.Restore(); err != nil {
		t.Fatal(err)
	}
	for cookie, before := range seen {
		for name, rig := range map[string]*rig{"again": r, "after a restart": again} {
			a := rig.get("any", "/", header("Cookie", cookie))
			if a.body != before || bucketOf(a) != "" {
				t.Errorf("%s: %s was at %s, is at %s and got %q", name, cookie, before, a.body, bucketOf(a))
			}
		}
	}
}

func TestACookieThatTheProxyDidNotGiveIsReplaced(t *testing.T) {
	r := newRig(t)
	old, _ := target(t, says("old"))
	fresh, _ := target(t, says("new"))
	r.must("shop", []string{old})
	r.trial([]string{fresh}, 1)
	name := bucketName("shop")
	for _, value := range []string{"", "-1", "100", "07", "ana", "1e1", "99999999999999999999"} {
		if got := bucketOf(r.get("any", "/", header("Cookie", name+"="+value))); !strings.HasPrefix(got, name+"=") {
			t.Errorf("%q was taken", value)
		}
	}
	if got := bucketOf(r.get("any", "/", header("Cookie", bucketName("chat")+"=7"))); got == "" {
		t.Error("another service's cookie was taken")
	}
}

func TestAnAnswerThatCachesShareCarriesNoCookie(t *testing.T) {
	for control, gives := range map[string]bool{
		"": true, "private": true, "no-store": true, "max-age=60": true, "public, max-age=31536000": false, "s-maxage=60": false, "Public": false,
	} {
		x := &exchange{given: bucketCookie("shop", 7, true)}
		h := http.Header{}
		h.Set("Cache-Control", control)
		x.keep(h)
		if got := h.Get("Set-Cookie"); (got != "") != gives {
			t.Errorf("Cache-Control %q: %q", control, got)
		} else if gives && !strings.HasSuffix(got, "=7; Path=/; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("the cookie is %q", got)
		}
	}
}

func TestTheEndOfATrialFailsNoRequestAndCutsNoWebsocketOfTheWinner(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(r *rig, old, fresh string)
		wins string
	}{
		"all switch":  {func(r *rig, _, fresh string) { r.must("shop", []string{fresh}, drainFor(50*time.Millisecond)) }, "new"},
		"all go back": {func(r *rig, old, _ string) { r.must("shop", []string{old}, drainFor(50*time.Millisecond)) }, "old"},
		"it is stopped": {func(r *rig, _, _ string) {
			q := control.RolloutStopRequest{Service: "shop", DrainTimeout: control.Duration{Duration: 50 * time.Millisecond}}
			if err := r.RolloutStop(r.t.Context(), q); err != nil {
				r.t.Fatal(err)
			}
		}, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			both := func(name string) http.HandlerFunc {
				return func(w http.ResponseWriter, req *http.Request) {
					if upgrade(req) {
						echo(w, req)
						return
					}
					says(name)(w, req)
				}
			}
			old, _ := target(t, both("old"))
			fresh, _ := target(t, both("new"))
			r.must("shop", []string{old})
			veteran := r.upgrade("shop.example.com")
			stop, wg := make(chan struct{}), sync.WaitGroup{}
			for i := range 4 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if a := r.get("any", "/", header("Cookie", fmt.Sprintf("%s=%d", bucketName("shop"), i*25))); a.status != http.StatusOK {
							t.Errorf("a request got %d", a.status)
							return
						}
					}
				})
			}
			r.trial([]string{fresh}, 50)
			sockets := map[string]socket{"old": r.upgradeAs("99"), "new": r.upgradeAs("0")}
			for which, s := range sockets {
				if err := s.echoes("in the trial"); err != nil {
					t.Errorf("the websocket of the %s: %v", which, err)
				}
			}
			if err := veteran.echoes("still here"); err != nil {
				t.Errorf("the websocket from before the trial: %v", err)
			}
			c.end(r, old, fresh)
			for which, s := range sockets {
				if err := s.echoes("after"); (err == nil) != (which == c.wins) {
					t.Errorf("the websocket of the %s: %v", which, err)
				}
			}
			if err := veteran.echoes("after"); (err == nil) != (c.wins == "old") {
				t.Errorf("the websocket from before the trial: %v", err)
			}
			for _, bucket := range []string{"0", "99"} {
				if a := r.get("any", "/", header("Cookie", bucketName("shop")+"="+bucket)); a.body != c.wins {
					t.Errorf("bucket %s is answered by %s", bucket, a.body)
				}
			}
			close(stop)
			wg.Wait()
			if s := r.List()[0]; s.Split != nil || s.RolloutTargets != nil || len(s.Traffic) != 1 {
				t.Errorf("left: %+v", s)
			}
		})
	}
}

// upgradeAs opens a websocket as a client with a bucket.
func (r *rig) upgradeAs(bucket string) socket {
	r.t.Helper()
	return r.upgrade("shop.example.com\r\nCookie: " + bucketName("shop") + "=" + bucket)
}

func TestADeployElsewhereEndsATrialAndLeavesKamalsRollout(t *testing.T) {
	r := newRig(t)
	one, _ := target(t, says("one"))
	two, _ := target(t, says("two"))
	three, _ := target(t, says("three"))
	r.must("shop", []string{one})
	r.trial([]string{two}, 100)
	r.must("shop", []string{three})
	if s := r.List()[0]; s.Split != nil || s.RolloutTargets != nil {
		t.Errorf("left: %+v", s)
	}
	if _, err := r.RolloutDeploy(t.Context(), control.RolloutRequest{
		Service: "shop", Targets: []string{two}, DeployTimeout: control.Seconds(5), Split: &control.Split{Percent: 10},
	}); err != nil {
		t.Fatal(err)
	}
	r.must("shop", []string{one})
	if s := r.List()[0]; s.Split == nil || len(s.RolloutTargets) != 1 {
		t.Errorf("an application's own rollout was ended: %+v", s)
	}
}

func TestRequestsAndErrorsAreCountedByTarget(t *testing.T) {
	r := newRig(t)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	old, _ := target(t, status(http.StatusNotFound))
	fresh, server := target(t, status(http.StatusInternalServerError))
	r.must("shop", []string{old})
	r.trial([]string{fresh}, 50)
	ask := func(bucket string, times int) {
		for range times {
			r.get("any", "/", header("Cookie", bucketName("shop")+"="+bucket))
		}
	}
	ask("99", 3)
	ask("0", 2)
	server.Close() // the proxy answers in its place
	ask("0", 2)
	want := []control.Traffic{{Target: old, Requests: 3}, {Target: fresh, Requests: 4, Errors: 4}}
	if got := r.List()[0].Traffic; !equalJSON(t, got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestASplitThatCannotBeMeantIsRefused(t *testing.T) {
	r := newRig(t)
	one, _ := target(t, says("one"))
	r.must("shop", []string{one})
	for _, s := range []control.Split{{Percent: -1}, {Percent: 101, Sticky: true}, {Percent: 5, Sticky: true, List: []string{"ana"}}} {
		_, err := r.RolloutDeploy(t.Context(), control.RolloutRequest{Service: "shop", Targets: []string{one}, DeployTimeout: control.Seconds(5), Split: &s})
		if KindOf(err) != control.Invalid {
			t.Errorf("%+v: %v", s, err)
		}
	}
	bad := control.HealthCheck{Path: "/up"}
	_, err := r.RolloutDeploy(t.Context(), control.RolloutRequest{Service: "shop", Targets: []string{one}, DeployTimeout: control.Seconds(5), HealthCheck: &bad})
	if KindOf(err) != control.Invalid {
		t.Errorf("a health check without an interval: %v", err)
	}
}
