package router

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func requestOf(cookies ...string) *http.Request {
	req, _ := http.NewRequest(http.MethodGet, "http://shop.example.com/", nil)
	for i := 0; i+1 < len(cookies); i += 2 {
		req.AddCookie(&http.Cookie{Name: cookies[i], Value: cookies[i+1]})
	}
	return req
}

func TestWhoIsInARollout(t *testing.T) {
	for name, c := range map[string]struct {
		split control.Split
		req   *http.Request
		want  bool
	}{
		"listed":                       {control.Split{List: []string{"ana", "bo"}}, requestOf("kamal-rollout", "bo"), true},
		"not listed":                   {control.Split{List: []string{"ana", "bo"}}, requestOf("kamal-rollout", "cy"), false},
		"without the cookie at 100":    {control.Split{Percent: 100}, requestOf(), false},
		"with an empty cookie at 100":  {control.Split{Percent: 100, List: []string{""}}, requestOf("kamal-rollout", ""), false},
		"with another cookie":          {control.Split{Percent: 100, List: []string{"bo"}}, requestOf("session", "bo"), false},
		"anybody at 100":               {control.Split{Percent: 100}, requestOf("kamal-rollout", "cy"), true},
		"nobody at 0":                  {control.Split{}, requestOf("kamal-rollout", "cy"), false},
		"listed, whatever the percent": {control.Split{Percent: 1, List: []string{"bo"}}, requestOf("kamal-rollout", "bo"), true},
	} {
		if got := selects(c.split, c.req); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAGrowingRolloutKeepsThoseWhomItHasAndCountsRight(t *testing.T) {
	const people = 20_000
	in := make([]bool, people)
	for percent := 0; percent <= 100; percent += 5 {
		count := 0
		for i := range in {
			now := selects(control.Split{Percent: percent}, requestOf("kamal-rollout", fmt.Sprint("user-", i)))
			if in[i] && !now {
				t.Fatalf("user %d fell out at %d%%", i, percent)
			}
			if in[i] = now; now {
				count++
			}
		}
		// Five standard deviations of a fair draw are below 1.8 of 100.
		if share := float64(count) * 100 / people; share < float64(percent)-1.8 || share > float64(percent)+1.8 {
			t.Errorf("at %d%% there are %.2f%%", percent, share)
		}
	}
}

// Every proxy of a fleet, and every later version, must place a value alike.
func TestAValueKeepsItsBucket(t *testing.T) {
	for value, want := range map[string]int{"ana": 3018, "bo": 2107, "0d4f7f1e-6b0a": 2631} {
		if got := bucket(value); got != want {
			t.Errorf("%q: %d", value, got)
		}
	}
}
