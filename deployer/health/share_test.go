package health_test

import (
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/health"
)

func TestACanaryIsJudgedByItsShareOfErrors(t *testing.T) {
	type traffic = health.Traffic
	for name, c := range map[string]struct {
		canary, old   traffic
		worse, judged bool
	}{
		"no request yet":                           {traffic{}, traffic{9000, 0}, false, false},
		"too few requests, all of them failed":     {traffic{49, 49}, traffic{450, 0}, false, false},
		"all fail":                                 {traffic{50, 50}, traffic{450, 0}, true, true},
		"every tenth fails":                        {traffic{50, 5}, traffic{450, 0}, true, true},
		"four errors are few":                      {traffic{50, 4}, traffic{450, 0}, false, true},
		"none fails":                               {traffic{1000, 0}, traffic{9000, 90}, false, true},
		"as many fail as of the old":               {traffic{1000, 100}, traffic{9000, 900}, false, true},
		"more fail of few, which may be chance":    {traffic{100, 14}, traffic{900, 90}, false, true},
		"more fail of many, which cannot be":       {traffic{5000, 700}, traffic{45000, 4500}, true, true},
		"half a point more is below what counts":   {traffic{100000, 600}, traffic{900000, 900}, false, true},
		"two points more of many":                  {traffic{5000, 110}, traffic{45000, 90}, true, true},
		"the old had no request, the canary fails": {traffic{200, 200}, traffic{}, true, true},
		"the old had no request, a tenth fails":    {traffic{50, 5}, traffic{}, false, true},
		"the old is worse":                         {traffic{500, 25}, traffic{500, 250}, false, true},
		"both are all wrong":                       {traffic{500, 500}, traffic{500, 500}, false, true},
		"a large share, and the old's few tell it": {traffic{900, 200}, traffic{100, 0}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if worse, judged := health.Worse(c.canary, c.old); worse != c.worse || judged != c.judged {
				t.Errorf("worse %t, judged %t; want %t, %t", worse, judged, c.worse, c.judged)
			}
		})
	}
}

func TestAProxyThatWasStartedAnewCountsFromNothing(t *testing.T) {
	type traffic = health.Traffic
	for _, c := range []struct{ now, earlier, want traffic }{
		{traffic{10, 2}, traffic{}, traffic{10, 2}},
		{traffic{10, 2}, traffic{7, 1}, traffic{3, 1}},
		{traffic{3, 0}, traffic{7, 0}, traffic{3, 0}},
		{traffic{8, 0}, traffic{7, 1}, traffic{8, 0}},
	} {
		if got := c.now.Since(c.earlier); got != c.want {
			t.Errorf("%v since %v: %v, want %v", c.now, c.earlier, got, c.want)
		}
	}
}
