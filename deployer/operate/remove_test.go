package operate_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func TestRemovingAllKeepsAnAccessoryWhoseDataIsInAVolumeWithoutAName(t *testing.T) {
	s := newStage(t, sshtest.Options{})
	d := s.service.Deploy
	volatile := dockertest.Image(t, s.engine, dockertest.Config{Entrypoint: []string{"/toy"}, Cmd: []string{"sleep"}, Volumes: map[string]struct{}{"/kept": {}}})
	t.Cleanup(s.clear) // before its image
	ids := map[string]string{}
	for name, image := range map[string]string{"db": volatile, "cache": s.image} {
		d.Accessories = append(d.Accessories, spec.Accessory{Name: name, Service: d.Service + "-" + name, Image: image, Hosts: []spec.HostEntry{{Address: "web-1"}}})
		id, err := s.engine.Create(t.Context(), d.Service+"-"+name, container.Spec{Image: image, Labels: map[string]string{plan.LabelService: d.Service}})
		if err == nil {
			err = s.engine.Start(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	s.run("v1")
	for _, when := range []string{"once", "again"} {
		got, err := s.do(operation.Ask{Verb: operation.Remove, Hosts: []string{"web-1"}}, nil)
		if err != nil || !strings.Contains(got.dones(), d.Service+"-db is stopped and stays, for its data at /kept is in a volume without a name") {
			t.Errorf("%s: %v, %q", when, err, got.dones())
		}
		left, err := s.engine.Containers(t.Context(), map[string]string{plan.LabelService: d.Service})
		if err != nil || len(left) != 1 || left[0].ID != ids["db"] || left[0].State.IsUp() || left[0].Nameless() != "/kept" {
			t.Errorf("%s: %v, left is %+v", when, err, left)
		}
	}
	if _, err := s.engine.Image(t.Context(), volatile); err != nil {
		t.Errorf("its image: %v", err)
	}
}
