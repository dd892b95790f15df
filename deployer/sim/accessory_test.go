package sim

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// The database is on a host of its own; the page behind the proxy beside the
// service.
var three = []string{"a", "b", "c"}

const rows = "what people wrote"

// beside is a commit of a service with a database and a page behind the proxy.
// The database's file is deploy.yml itself, which note alone changes.
func beside(n, db, page, note string) commit {
	c := v(n)
	c.sha = "d" + strings.TrimPrefix(db, "v") + strings.TrimPrefix(page, "v") + note + n
	c.more = `  # ` + note + `
accessories:
  db:
    image: acme/db:` + db + `
    host: c
    directories: [{local: data, remote: /data, mode: "0700"}]
    files: [config/deploy.yml:/etc/db.yml]
  page:
    image: acme/page:` + page + `
    host: b
    proxy: {host: page.example.com, app_port: 80}
`
	return c
}

// housed makes a world for them, and lets a commit come to rest, if one is given.
func housed(first ...commit) func(*daemon) {
	return func(s *daemon) {
		s.hosts, s.allow = two, []string{"accessories"}
		s.world.Gaps = true // a page is stopped before another starts
		for _, version := range []string{"v1", "v2"} {
			s.world.Push("acme/db:"+version, fleettest.App{Boot: 2 * time.Second})
			s.world.Push("acme/page:"+version, fleettest.App{Boot: 2 * time.Second})
		}
		s.world.Push("acme/db:bad", fleettest.App{CrashAfter: 2 * time.Second, ExitCode: 3})
		s.world.Push("acme/page:bad", fleettest.App{Status: 503})
		s.world.Host("c").Put("shop-db/data", "rows", rows)
		for _, c := range first {
			s.push(c)
			s.pass(calm)
		}
	}
}

// keeps checks that of each accessory one container runs and nothing else is
// left, that the database has its file and its rows, and that the page is served.
func (s *daemon) keeps(db, page, note string) {
	s.t.Helper()
	for host, want := range map[string]map[string]string{"c": {"shop-db": "acme/db:" + db}, "b": {"shop-page": "acme/page:" + page}} {
		for name := range want {
			if got := s.world.Host(host).Beside(name); !maps.Equal(got, want) {
				s.t.Errorf("%s has %v, want %v", host, got, want)
			}
		}
	}
	files := s.world.Host("c").Files("shop-db")
	if files["data/rows"] != rows {
		s.t.Errorf("the rows are %q", files["data/rows"])
	}
	if got := files["etc/db.yml"]; !strings.Contains(got, "# "+note+"\n") {
		s.t.Errorf("the database's file does not say %q", note)
	}
	if got := s.world.Host("b").Targets("shop-page"); !slices.Equal(got, []string{"shop-page"}) {
		s.t.Errorf("the page's requests go to %v", got)
	}
}

// first is the number of the first effect on a host whose call begins so, 0 for
// none.
func (s *daemon) first(host, call string) int {
	for _, e := range s.world.Effects() {
		if e.Host == host && strings.HasPrefix(e.Call, call) {
			return e.N
		}
	}
	return 0
}

func accessoryStories() map[string]story {
	ends := func(version, db, page, note string) func(*daemon) {
		return func(s *daemon) {
			s.runs(version)
			s.keeps(db, page, note)
			s.last(release.Succeeded)
		}
	}
	held := func(db, page, mendedDB, mendedPage string) story {
		return story{
			hosts: three, before: housed(beside("1", "v1", "v1", "one")),
			do: func(s *daemon) {
				s.push(beside("2", db, page, "two"))
				s.pass(time.Minute)
				s.push(beside("2", mendedDB, mendedPage, "three"))
			},
			end: ends("v2", mendedDB, mendedPage, "three"),
		}
	}
	return map[string]story{
		"booted before the service": {
			hosts: three, before: housed(),
			do: func(s *daemon) { s.push(beside("1", "v1", "v1", "one")) },
			end: func(s *daemon) {
				ends("v1", "v1", "v1", "one")(s)
				if db, page, web := s.first("c", "start shop-db"), s.first("b", "start shop-page"), s.first("a", "start shop-web"); web < db || web < page {
					s.t.Errorf("the service began at %d, the database at %d, the page at %d", web, db, page)
				}
			},
		},
		"replaced with the service": {
			hosts: three, before: housed(beside("1", "v1", "v1", "one")),
			do:  func(s *daemon) { s.push(beside("2", "v2", "v2", "two")) },
			end: ends("v2", "v2", "v2", "two"),
		},
		"replaced because a file alone changed": {
			hosts: three, before: housed(beside("1", "v1", "v1", "one")),
			do:  func(s *daemon) { s.push(beside("1", "v1", "v1", "two")) },
			end: ends("v1", "v1", "v1", "two"),
		},
		"one that keeps ending holds the service up until it is mended":    held("bad", "v1", "v2", "v1"),
		"one that does not answer holds the service up until it is mended": held("v1", "bad", "v1", "v2"),
	}
}

// TestADeathWhileAccessoriesAreBootedOrReplacedLosesNothing kills the daemon
// before and after each effect of a deploy with accessories: afterwards one of
// each runs, as Git says, on the data that was there; never were two.
func TestADeathWhileAccessoriesAreBootedOrReplacedLosesNothing(t *testing.T) {
	dieEverywhere(t, accessoryStories(), count)
}

func TestADifferenceThatMayNotBeReplacedIsToldAndStays(t *testing.T) {
	scenario(t, three, func(s *daemon) {
		housed(beside("1", "v1", "v1", "one"))(s)
		s.allow = nil
		for _, c := range []commit{beside("2", "v2", "v1", "two"), beside("2", "v1", "v1", "three")} {
			s.push(c)
			s.pass(calm)
			s.runs("v2")
			s.keeps("v1", "v1", "one")
		}
		told := ""
		for _, e := range s.world.Memory.Events() {
			told += e.Message + "\n"
		}
		for _, want := range []string{"image acme/db:v1 → acme/db:v2", "file /etc/db.yml changed"} {
			if !strings.Contains(told, want) {
				t.Errorf("nobody was told of %q in:\n%s", want, told)
			}
		}
		s.quiet()
	})
}

func TestAnAccessoryThatAFailedReleaseBroughtIsLeftInPeaceByTheNext(t *testing.T) {
	scenario(t, three, func(s *daemon) {
		housed(beside("1", "v1", "v1", "one"))(s)
		s.world.Push("acme/shop:v3", fleettest.App{Status: 503, OnlyOn: []string{"b"}})
		s.push(beside("3", "v1", "v2", "one"))
		s.pass(calm)
		s.runs("v1")
		s.last(release.RolledBack)
		s.quiet()
		s.push(beside("2", "v1", "v2", "one"))
		s.pass(calm)
		s.runs("v2")
		s.keeps("v1", "v2", "one")
		s.quiet()
	})
}
