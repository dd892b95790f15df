package place_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/place"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

func service(repo, name, destination string, at int64) server.Service {
	return server.Service{
		Repo: repo, Lane: release.Lane{Service: name, Destination: destination},
		Latest: &release.Release{Queued: time.Unix(at, 0)},
	}
}

// standing are two repositories: the shop in two destinations, one of which was
// never deployed to and one whose service has a new name, and a blog.
func standing() (server.Status, *config.Config) {
	st := server.Status{
		Repositories: []server.Repository{{Name: "shop"}, {Name: "weblog"}},
		Services: []server.Service{
			service("shop", "store", "production", 1), service("shop", "shop", "production", 2), service("shop", "shop", "former", 3),
			service("weblog", "blog", "", 4),
		},
	}
	return st, &config.Config{Repositories: map[string]config.Repository{
		"shop": {Destinations: []string{"production", "staging"}}, "weblog": {},
	}}
}

func TestANameMeansTheOnePlaceThatItCan(t *testing.T) {
	places := place.All(standing())
	for _, tt := range []struct{ name, destination, want, hint string }{
		{"blog", "", "blog", ""},
		{"weblog", "", "blog", ""},
		{"shop-production", "", "shop-production", ""},
		{"shop", "production", "shop-production", ""},
		{"", "production", "shop-production", ""},
		{"shop", "staging", "-staging", ""},
		{"", "", "", "name one of shop-production, shop -d staging, blog"},
		{"shop", "", "", "name one of shop-production, shop -d staging"},
		{"store", "", "", "there are shop-production, shop -d staging, blog"},
		{"shop", "former", "", "there are shop-production"},
		{"blog", "production", "", "there are "},
	} {
		got, err := place.Find(places, tt.name, tt.destination)
		switch {
		case tt.hint == "" && (err != nil || got.Lane.String() != tt.want):
			t.Errorf("%q -d %q: got %v, %v", tt.name, tt.destination, got, err)
		case tt.hint != "" && (err == nil || !strings.Contains(err.Error(), tt.hint)):
			t.Errorf("%q -d %q: got %v, %v; want %q", tt.name, tt.destination, got, err, tt.hint)
		}
	}
}

func TestWithoutTheOperatorsFileWhatWasDeployedCounts(t *testing.T) {
	st, _ := standing()
	var names []string
	for _, p := range place.All(st, nil) {
		names = append(names, p.String())
	}
	if got := strings.Join(names, " "); got != "shop-former shop-production blog" {
		t.Errorf("got %s", got)
	}
}

func TestTheOnlyPlaceNeedsNoName(t *testing.T) {
	only := []place.Place{{Repo: "shop"}}
	if p, err := place.Find(only, "", ""); err != nil || p.String() != "shop" {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := place.Find(nil, "", ""); err == nil || !strings.Contains(err.Error(), "watches no repository") {
		t.Errorf("got %v", err)
	}
}
