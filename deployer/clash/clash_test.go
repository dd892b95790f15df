package clash_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/clash"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

func unit(service, host string, paths ...string) plan.Unit {
	r := plan.Route{Service: service, PathPrefixes: paths}
	if host != "" {
		r.Hosts = []string{host}
	}
	return plan.Unit{Host: "web1", Role: service, Route: &r}
}

func live(service, host string, paths ...string) plan.Live {
	u := unit(service, host, paths...)
	return plan.Live{Service: service, Route: u.Route}
}

// switching is a plan that gives units their routes.
func switching(units ...plan.Unit) plan.Plan {
	st := plan.Stage{Name: plan.StageSwitch, Steps: map[string][]plan.Step{}}
	for _, u := range units {
		st.Steps[u.Host] = append(st.Steps[u.Host], plan.Switch{Unit: u, Route: *u.Route})
	}
	return plan.Plan{Stages: []plan.Stage{st}}
}

func TestTwoServicesThatWantOnePlaceAreFoundAtPlanning(t *testing.T) {
	mine := unit("shop-web", "shop.example.com")
	cases := map[string]struct {
		units  []plan.Unit
		routes []plan.Live
		other  string // that is named; empty: nothing is wrong
		place  string
	}{
		"nobody else":                         {[]plan.Unit{mine}, []plan.Live{live("shop-web", "shop.example.com")}, "", ""},
		"another service has it":              {[]plan.Unit{mine}, []plan.Live{live("blog-web", "shop.example.com")}, "blog-web", "shop.example.com/"},
		"another has it on another path":      {[]plan.Unit{mine}, []plan.Live{live("blog-web", "shop.example.com", "/blog")}, "", ""},
		"another has the same path":           {[]plan.Unit{unit("shop-web", "", "/a", "/blog")}, []plan.Live{live("blog-web", "", "/blog")}, "blog-web", "every host name/blog"},
		"a role of the same file wants it":    {[]plan.Unit{mine, unit("shop-admin", "shop.example.com")}, nil, "shop-admin", "shop.example.com/"},
		"a role of the same file gives it up": {[]plan.Unit{mine, unit("shop-admin", "admin.example.com")}, []plan.Live{live("shop-admin", "shop.example.com")}, "", ""},
		"the proxy tells nothing":             {[]plan.Unit{mine}, []plan.Live{{Service: "blog-web"}}, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := clash.Refuse(switching(c.units...), plan.Desired{Units: c.units}, plan.Observed{Hosts: map[string]plan.Host{"web1": {Routes: c.routes}}})
			if (p.Refused != "") != (c.other != "") {
				t.Fatalf("refused: %q", p.Refused)
			}
			for _, word := range []string{"shop-web", c.other, c.place, "web1"} {
				if c.other != "" && !strings.Contains(p.Refused, word) {
					t.Errorf("%q does not name %q", p.Refused, word)
				}
			}
			if p.Refused != "" && len(p.Stages) > 0 {
				t.Error("there are stages all the same")
			}
		})
	}
	same := []plan.Live{live("blog-web", "shop.example.com")}
	o := plan.Observed{Hosts: map[string]plan.Host{"web1": {Routes: same}}}
	if p := clash.Refuse(plan.Plan{}, plan.Desired{Units: []plan.Unit{mine}}, o); p.Refused != "" {
		t.Errorf("a plan without a switch is refused: %s", p.Refused)
	}
}
