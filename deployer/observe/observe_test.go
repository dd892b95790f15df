package observe_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// listed is an engine that runs these containers.
type listed []container.Observed

func (l listed) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	return l, nil
}

func TestTheContainerThatFairleadRunsInIsMarked(t *testing.T) {
	lane := release.Lane{Service: "shop"}
	all := listed{{ID: "aaaaaaaaaaaa0000", Name: "fairlead"}, {ID: "bbbbbbbbbbbb0000", Name: "shop-web-1"}}
	for name, c := range map[string]struct {
		ids  []string
		want string
	}{
		"in none":                  {nil, ""},
		"in one of another engine": {[]string{"cccccccccccc"}, ""},
		"by its host name":         {[]string{"aaaaaaaaaaaa"}, "aaaaaaaaaaaa0000"},
		"by what is mounted in it": {[]string{"cccccccccccc0000", "bbbbbbbbbbbb0000"}, "bbbbbbbbbbbb0000"},
	} {
		o := observe.All(t.Context(), lane, []string{"a"}, func(context.Context, string) (observe.Host, error) {
			return observe.Host{Lister: all, Self: c.ids}, nil
		})
		if h := o.Hosts["a"]; h.Err != nil || h.Self != c.want {
			t.Errorf("%s: %q, %v", name, h.Self, h.Err)
		}
	}
}

func (listed) Redial(context.Context) error { return nil }

// silent is a host whose engine, or whose proxy, does not answer.
type silent struct{ err error }

func (s silent) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	return nil, s.err
}

func (s silent) Redial(context.Context) error { return s.err }

func (s silent) List(context.Context, bool) ([]plan.Live, error) { return nil, s.err }

func (s silent) Early(context.Context) ([]plan.Live, bool) { return nil, false }

func TestAHostThatCannotBeReadIsPartOfTheAnswer(t *testing.T) {
	down := errors.New("no route to host")
	proxied := listed{{ID: "3", Name: "kamal-proxy", State: container.State{Status: container.Running}}}
	o := observe.All(t.Context(), release.Lane{Service: "shop"}, []string{"a", "b", "c", "d"}, func(_ context.Context, name string) (observe.Host, error) {
		switch name {
		case "b":
			return observe.Host{}, down
		case "c":
			return observe.Host{Lister: silent{down}}, nil
		case "d":
			return observe.Host{Lister: proxied, Router: silent{down}}, nil
		}
		return observe.Host{Lister: listed{
			{ID: "1", Name: "shop-web-1", Spec: container.Spec{Labels: map[string]string{plan.LabelService: "shop", plan.LabelRole: "web", plan.LabelDestination: ""}}},
			{ID: "2", Name: "blog-web-1", Spec: container.Spec{Labels: map[string]string{plan.LabelService: "blog", plan.LabelRole: "web"}}},
		}}, nil
	})
	if names, err := o.Unreachable(); !slices.Equal(names, []string{"b", "c", "d"}) || !errors.Is(err, down) {
		t.Errorf("%v, %v", names, err)
	}
	if h := o.Hosts["a"]; len(h.Containers) != 1 || h.Containers[0].ID != "1" {
		t.Errorf("%+v", h)
	}
}

// leaving is an engine: what it says, one answer after the other, and whether it
// takes a new connection between the first and the second.
type leaving struct {
	says   []listed
	redial error
	asked  int
}

func (l *leaving) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	l.asked++
	return l.says[l.asked-1], nil
}

func (l *leaving) Redial(context.Context) error { return l.redial }

func TestWhatHasEndedIsBelievedOnlyOfAnEngineThatStays(t *testing.T) {
	is := func(name string, labels map[string]string, status container.Status) container.Observed {
		return container.Observed{ID: name, Name: name, Spec: container.Spec{Labels: labels}, State: container.State{Status: status}}
	}
	web := map[string]string{plan.LabelService: "shop", plan.LabelRole: "web"}
	other := map[string]string{plan.LabelService: "blog", plan.LabelRole: "web"}
	gone := errors.New("connection refused")
	for name, tc := range map[string]struct {
		first listed
		asks  int
	}{
		"all runs":                       {listed{is("new", web, container.Running), is("old", web, container.Exited)}, 1},
		"nothing is there":               {nil, 1},
		"somebody else's ended":          {listed{is("blog", other, container.Exited)}, 1},
		"a role has none that runs":      {listed{is("new", web, container.Exited), is("old", web, container.Exited)}, 2},
		"the proxy has ended":            {listed{is("new", web, container.Running), is("kamal-proxy", nil, container.Exited)}, 2},
		"it is started again and again":  {listed{is("new", web, container.Restarting)}, 2},
		"it was left made and not begun": {listed{is("new", web, container.Created)}, 2},
	} {
		for _, redial := range []error{nil, gone} {
			e := &leaving{says: []listed{tc.first, {is("after", web, container.Running)}}, redial: redial}
			h := observe.All(t.Context(), release.Lane{Service: "shop"}, []string{"a"}, func(context.Context, string) (observe.Host, error) {
				return observe.Host{Lister: e}, nil
			}).Hosts["a"]
			switch {
			case tc.asks == 2 && redial != nil:
				if !errors.Is(h.Err, gone) || e.asked != 1 {
					t.Errorf("%s, and it stops: %+v", name, h)
				}
			case e.asked != tc.asks || h.Err != nil || tc.asks == 2 && h.Containers[0].Name != "after":
				t.Errorf("%s: asked %d times, %+v", name, e.asked, h)
			}
		}
	}
}
