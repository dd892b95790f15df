package sim

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

func TestAPlaceThatAnotherServiceHasIsFoundBeforeAnythingIsTouched(t *testing.T) {
	scenario(t, two, func(s *daemon) {
		s.push(v("1"))
		s.pass(calm)
		deploy, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(
			"service: blog\nimage: acme/shop:v1\nservers: [b]\nproxy: { host: new.example.com, app_port: 3000 }\n")}}, spec.Options{})
		if err != nil {
			s.t.Fatal(err)
		}
		want, err := plan.Want(deploy, plan.Inputs{Version: "v1"})
		if err != nil {
			s.t.Fatal(err)
		}
		s.world.Host("b").Adopt(want.Units[0].Name, want.Units[0].Spec, want.Units[0].Route)
		time.Sleep(time.Minute)

		moved := v("2")
		moved.proxy = "  hosts: [new.example.com]\n"
		before := len(s.world.Effects())
		s.push(moved)
		s.pass(calm)
		for _, name := range two {
			if got := s.world.Host(name).Serving(web); got != "v1" {
				s.t.Errorf("%s serves %q", name, got)
			}
		}
		r := s.last(release.Waiting)
		for _, word := range []string{"shop-web", "blog-web", "new.example.com/ on b"} {
			if !strings.Contains(r.Reason, word) {
				s.t.Errorf("%q does not name %q", r.Reason, word)
			}
		}
		for _, e := range s.world.Effects()[before:] {
			if slices.Contains(two, e.Host) && !strings.Contains(e.Call, "lock") {
				s.t.Errorf("it did %s", e)
			}
		}
	})
}
