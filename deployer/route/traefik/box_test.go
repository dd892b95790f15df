package traefik

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/route"
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
