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

// silent is a host whose engine, or whose proxy, does not answer.
type silent struct{ err error }

func (s silent) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	return nil, s.err
}

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
