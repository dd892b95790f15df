package operate

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func TestGrepPassesOnWhatFitsWithItsContext(t *testing.T) {
	lines := strings.Fields("a1 b c2 d e f g3 h")
	for _, tt := range []struct{ pattern, options, want string }{
		{"", "", "a1 b c2 d e f g3 h"},
		{"[0-9]", "", "a1 c2 g3"},
		{"[0-9]", "-v", "b d e f h"},
		{"C", "-i", "c2"},
		{"c.", "-F", ""},
		{"c", "-w", ""},
		{"c2", "-w -A 1", "c2 d"},
		{"g", "-B2", "e f g3"},
		{"g", "-C 1", "f g3 h"},
	} {
		g, err := newGrep(tt.pattern, tt.options)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		var got []string
		for _, l := range lines {
			for _, out := range g.line(operation.Line{Text: l}) {
				got = append(got, out.Text)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	for _, bad := range []string{"-C", "-A x", "-C 9999", "--colour", "-o", "x"} {
		if _, err := newGrep("a", bad); err == nil {
			t.Errorf("grep options %q are taken", bad)
		}
	}
	if _, err := newGrep("(", ""); err == nil || !strings.Contains(err.Error(), "-F") {
		t.Errorf("a broken pattern: %v", err)
	}
}

func TestSinceIsATimeADateOrADurationBeforeNow(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "42m": now.Add(-42 * time.Minute), "2h": now.Add(-2 * time.Hour), "2026-11-22": now.Add(-34 * time.Hour),
		"2026-11-23T09:30:00Z": now.Add(-30 * time.Minute), "2026-11-23 09:00": now.Add(-time.Hour),
	} {
		if got, err := since(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	if _, err := since("yesterday", now); err == nil {
		t.Error("yesterday is taken")
	}
}

func deploy() *spec.Deploy {
	host := func(names ...string) (list []spec.HostEntry) {
		for _, n := range names {
			list = append(list, spec.HostEntry{Address: n})
		}
		return list
	}
	return &spec.Deploy{Service: "shop", Roles: []spec.Role{{Name: "web", Primary: true, Hosts: host("a1", "a2")}, {Name: "worker", Hosts: host("b1", "a1")}}}
}

func TestRolesAndHostsAreChosenByPatterns(t *testing.T) {
	for _, tt := range []struct {
		ask  operation.Ask
		want []target
	}{
		{operation.Ask{}, []target{{host: "a1", role: "web"}, {host: "a2", role: "web"}, {host: "b1", role: "worker"}, {host: "a1", role: "worker"}}},
		{operation.Ask{Roles: []string{"w*r"}}, []target{{host: "b1", role: "worker"}, {host: "a1", role: "worker"}}},
		{operation.Ask{Hosts: []string{"a*"}, Roles: []string{"worker"}}, []target{{host: "a1", role: "worker"}}},
		{operation.Ask{Primary: true}, []target{{host: "a1", role: "web"}, {host: "a1", role: "worker"}}},
	} {
		if got, err := choose(deploy(), tt.ask); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, %v", tt.ask, got, err)
		}
	}
	for _, ask := range []operation.Ask{{Roles: []string{"wep"}}, {Hosts: []string{"a1", "c*"}}} {
		if _, err := choose(deploy(), ask); err == nil || !strings.Contains(err.Error(), "there are") {
			t.Errorf("%+v: %v", ask, err)
		}
	}
}

func box(version string, age int, up bool) container.Observed {
	c := container.Observed{
		ID: strings.Repeat(version[1:], 64), Name: "shop-web-" + version, Created: time.Unix(int64(1000-age), 0),
		Spec: container.Spec{Labels: map[string]string{plan.LabelService: "shop", plan.LabelRole: "web", plan.LabelDestination: ""}},
	}
	if c.State.Status = container.Exited; up {
		c.State.Status = container.Running
	}
	return c
}

func TestStaleIsWhatRunsBesideTheVersionThatIsServed(t *testing.T) {
	lane, web := release.Lane{Service: "shop"}, target{host: "a1", role: "web"}
	v1, v2, old := box("v1", 9, true), box("v2", 1, true), box("v3", 5, false)
	stale := func(routes ...plan.Live) (names []string) {
		for _, c := range staleOf(lane, web, []container.Observed{v1, v2, old}, routes) {
			names = append(names, c.Name)
		}
		return names
	}
	if got := stale(); !slices.Equal(got, []string{"shop-web-v1"}) {
		t.Errorf("without a route %v", got)
	}
	if got := stale(plan.Live{Service: "shop-web", Target: v1.ID[:12] + ":80"}); !slices.Equal(got, []string{"shop-web-v2"}) {
		t.Errorf("while the older one is served %v", got)
	}
	if got := staleOf(lane, web, []container.Observed{v1, old}, nil); len(got) > 0 {
		t.Errorf("of one that runs alone %v", got)
	}
}

func TestTheNewestThatWorkedAndTheNewestThatFailedAreKept(t *testing.T) {
	bad := func(c container.Observed, id string) container.Observed {
		c.Spec.Labels[plan.LabelRelease] = id
		return c
	}
	list := []container.Observed{box("v6", 1, true), bad(box("v5", 2, false), "bad"), bad(box("v4", 3, false), "bad"), box("v3", 4, false), box("v2", 5, false), box("v1", 6, false)}
	var gone []string
	for _, c := range surplus(list, 2, []string{"bad"}) {
		gone = append(gone, c.Name)
	}
	if !slices.Equal(gone, []string{"shop-web-v4", "shop-web-v1"}) {
		t.Errorf("removed %v", gone)
	}
	if n := len(surplus(list, 0, []string{"bad"})); n != 5 {
		t.Errorf("with nothing kept %d are removed", n)
	}
}

// A container for one command must never be taken for the service itself: it
// would be routed to, pruned, or kept for a rollback.
func TestAContainerForOneCommandIsNoContainerOfTheService(t *testing.T) {
	lane := release.Lane{Service: "shop"}
	like := box("v1", 1, true)
	like.Spec.Labels[plan.LabelRoute] = "{}"
	like.Spec.Labels["traefik.enable"] = "true"
	like.Spec.Ports = []container.Port{{HostPort: 80, Port: 80}}
	like.Spec.Restart = container.Restart{Policy: "unless-stopped"}
	s := oneOff(lane, like, operation.Ask{Actor: "ana", Command: &operation.Command{Argv: []string{"ls"}}})
	c := container.Observed{ID: "x", Name: "shop-web-exec-v1-abc", Spec: s}
	if got := of(lane, target{host: "a1", role: "web"}, []container.Observed{c}); len(got) > 0 {
		t.Error("it is found as the service's")
	}
	if len(s.Ports) > 0 || s.Restart.Policy != "" || !s.Health.Disabled || s.Labels["traefik.enable"] != "" || s.Labels[labelExec] != "ana" {
		t.Errorf("%+v", s)
	}
	if like.Spec.Labels[plan.LabelRole] != "web" {
		t.Error("the one that runs was changed")
	}
}

func TestLoggingOutTakesOneAccountAndLeavesTheRest(t *testing.T) {
	config := `{"auths":{"ghcr.io":{"auth":"eA=="},"quay.io":{"auth":"eQ=="}},"credsStore":"pass"}`
	out, had, err := loggedOut([]byte(config), "ghcr.io")
	if err != nil || !had || strings.Contains(string(out), "ghcr.io") || !strings.Contains(string(out), "quay.io") || !strings.Contains(string(out), "credsStore") {
		t.Errorf("%v, %v, %s", err, had, out)
	}
	if out, had, err = loggedOut([]byte(config), "docker.io"); err != nil || had || string(out) != config {
		t.Errorf("%v, %v, %s", err, had, out)
	}
	if _, _, err = loggedOut([]byte("no"), "ghcr.io"); err == nil {
		t.Error("what is no JSON is taken")
	}
}

// FuzzLoggedOut: what lies on a host may be anything.
func FuzzLoggedOut(f *testing.F) {
	f.Add([]byte(`{"auths":{"ghcr.io":{}}}`))
	f.Add([]byte(`{"auths":null}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		out, had, err := loggedOut(config, "ghcr.io")
		if err != nil || !had {
			return
		}
		if _, again, err := loggedOut(out, "ghcr.io"); err != nil || again {
			t.Errorf("once more: %v, %v", again, err)
		}
	})
}
