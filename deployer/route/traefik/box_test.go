package traefik

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
)

func TestRoutesOfAServiceWhoseNameBeginsAlikeAreNotTakenOver(t *testing.T) {
	b := &Box{Names: []string{"shop-web", "shop-cache"}}
	for name, mine := range map[string]bool{"shop-web": true, "shop-cache": true, "shop-admin-web": false, "blog-web": false} {
		err := b.mine([]route.Assigned{{Route: plan.Route{Service: name}, State: "running"}})
		if (err == nil) != mine {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.mine([]route.Assigned{{Route: plan.Route{Service: "shop-web"}, State: "stopped"}}); err == nil {
		t.Error("a route in maintenance is taken over")
	}
}

// foreign is a host on which somebody else's Traefik serves.
type foreign struct {
	route.Machine
	stopped int
}

func (*foreign) Containers(context.Context, map[string]string) ([]container.Observed, error) {
	return []container.Observed{{ID: "k1", Name: traefik.Container, State: container.State{Status: container.Running}}}, nil
}

func (f *foreign) Stop(context.Context, string, time.Duration) error { f.stopped++; return nil }

func TestARestartDoesNotStopATraefikThatItCouldNotStart(t *testing.T) {
	m := &foreign{}
	_, err := (&Box{Driver: &Driver{}, Machine: m}).Restart(t.Context(), plan.ProxyRun{})
	if !errors.Is(err, errForeign) || m.stopped != 0 {
		t.Errorf("%v, stopped %d times", err, m.stopped)
	}
}
