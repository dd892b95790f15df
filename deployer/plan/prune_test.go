package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// stopped is a container of an earlier release, as it stays on a host.
func stopped(n int, version, releaseID string) container.Observed {
	return container.Observed{
		ID: fmt.Sprintf("%064d", n), Name: "shop-web-" + version, Created: time.Unix(int64(n), 0),
		State: container.State{Status: container.Exited},
		Spec: container.Spec{Image: "acme/shop:" + version, Labels: map[string]string{
			plan.LabelService: "shop", plan.LabelRole: "web", plan.LabelDestination: "", plan.LabelRelease: releaseID,
		}},
	}
}

// pruned returns what the plan for v9 removes from host a.
func pruned(d plan.Desired, o plan.Observed) (containers, images []string) {
	for _, st := range plan.Make(d, o).Stages {
		for _, s := range st.Steps["a"] {
			if p, ok := s.(plan.Prune); ok {
				images = append(images, p.Images...)
				for _, ref := range p.Remove {
					containers = append(containers, ref.Name)
				}
			}
		}
	}
	return containers, images
}

func TestPruningKeepsGoodReleasesAndTheNewestFailure(t *testing.T) {
	d := desired("r9", "v9", webA)
	d.Policy.Retain, d.Policy.Failed = 2, []string{"bad1", "bad2", "bad3"}
	host := plan.Host{
		Containers: []container.Observed{
			stopped(1, "v1", ""), // somebody else's, from before Fairlead: good
			stopped(2, "v2", "g1"), stopped(3, "v3", "bad1"), stopped(4, "v4", "g2"),
			stopped(5, "v5", "bad2"), stopped(6, "v6", "bad3"),
		},
		Others: []string{"acme/shop:v5"}, // another destination runs this version
	}
	containers, images := pruned(d, plan.Observed{Hosts: map[string]plan.Host{"a": host}})
	if want := []string{"shop-web-v5", "shop-web-v3", "shop-web-v1"}; !slices.Equal(containers, want) {
		t.Errorf("removes %v, want %v", containers, want)
	}
	if want := []string{"acme/shop:v1", "acme/shop:v3"}; !slices.Equal(images, want) {
		t.Errorf("removes images %v, want %v", images, want)
	}
}

func TestPruningNeverTakesWhatRuns(t *testing.T) {
	d := desired("r9", "v9", webA)
	d.Policy.Retain = 0
	running := stopped(1, "v1", "bad")
	running.State.Status = container.Running
	again := stopped(2, "v2", "bad")
	again.State.Status = container.Restarting
	containers, images := pruned(d, plan.Observed{Hosts: map[string]plan.Host{"a": {Containers: []container.Observed{running, again}}}})
	if containers != nil || images != nil {
		t.Errorf("removes %v and images %v of what runs", containers, images)
	}
}
