package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// postgres pushes a real PostgreSQL under two versions.
func (s *scenario) postgres() {
	s.Helper()
	img, err := fleet.Postgres(s.Context(), s.path("postgres"))
	s.do(err)
	for _, version := range []string{"15", "16"} {
		img.Labels = map[string]string{"version": version}
		_, err = shared.fleet.Push(s.Context(), img, s.service+"-postgres:"+version)
		s.do(err)
	}
	s.do(os.RemoveAll(s.path("postgres")))
}

// id is the id of the container that has a name, "" for none.
func (s *scenario) id(h *fleet.Host, name string) string {
	s.Helper()
	out, err := h.Docker(s.Context(), "ps", "-aq", "--no-trunc", "--filter", "name=^/"+name+"$")
	s.do(err)
	return strings.TrimSpace(out)
}

// clearBeside leaves no accessory behind.
func (s *scenario) clearBeside(h *fleet.Host, names ...string) {
	s.Cleanup(func() {
		for _, name := range names {
			out, err := h.SSH(context.WithoutCancel(s.Context()), "docker ps -aq --filter name=^/"+s.service+"-"+name+" | xargs -r docker rm -fv; rm -rf "+s.service+"-"+name)
			if err != nil {
				s.Error(out, err)
			}
		}
	})
}

func TestADatabaseKeepsItsDataAndComesBackFromABackup(t *testing.T) {
	s := begin(t, "beside")
	h := s.hosts[0]
	s.clearBeside(h, "db", "cache")
	s.postgres()
	s.image("v1", nil)
	s.image("v2", nil)
	unnamed := shared.app.Image("cache", nil)
	unnamed.Volumes = []string{"/unnamed"}
	_, err := shared.fleet.Push(t.Context(), unnamed, s.service+":cache")
	s.do(err)
	account := "{ server: " + shared.fleet.Registry + ", username: " + registryUser + ", password: [REGISTRY_PASSWORD] }"
	db := yml{
		"image": s.service + "-postgres:15", "registry": account, "host": h.Addr, "env": "{ clear: { LANG: C } }",
		"directories": "[{ local: data, remote: /var/lib/postgresql/data, mode: \"0700\", owner: postgres }]",
		"files":       "[{ local: db/seed.sql.erb, remote: /etc/seed.sql, mode: \"0640\", owner: \"postgres:postgres\" }]",
		"options":     "{ health-cmd: pg_isready -h /tmp -U postgres, health-interval: 1s }",
		"backup":      "{ cmd: pg_dump -h /tmp -U postgres --clean --if-exists postgres, restore: psql -h /tmp -q -v ON_ERROR_STOP=1 -U postgres postgres, keep: 2 }",
	}
	// One that Kamal booted before.
	cache := yml{"image": s.service + ":cache", "registry": account, "host": h.Addr, "env": "{ clear: { READY: now } }"}
	with := func(version string, db, cache yml) yml {
		return s.file(version).with("accessories", "\n  db:\n"+db.indented("    ")+"  cache:\n"+cache.indented("    "))
	}
	push := func(file yml) string {
		return s.pushFiles(map[string]string{"config/deploy.yml": file.String(), "db/seed.sql.erb": "SELECT '<%= ENV[\"LANG\"] %>';\n"})
	}
	for _, line := range []string{
		"docker login -u " + registryUser + " -p " + registryPassword + " " + shared.fleet.Registry,
		"docker network inspect kamal >/dev/null 2>&1 || docker network create kamal",
		"docker run --name beside-cache --detach --restart unless-stopped --network kamal --log-opt max-size=10m --env READY=now" +
			" --label service=beside-cache " + shared.fleet.Registry + "/" + s.service + ":cache",
		"docker logout " + shared.fleet.Registry,
	} {
		_, err := h.SSH(s.Context(), line)
		s.do(err)
	}
	kamals := s.id(h, "beside-cache")

	s.start()
	s.ends(push(with("v1", db, cache)), release.Succeeded)
	s.answers("v1")
	first := s.id(h, "beside-db")
	if first == "" || s.id(h, "beside-cache") != kamals {
		t.Fatalf("the database is %q; Kamal's cache was %s and is %s", first, kamals, s.id(h, "beside-cache"))
	}
	before, err := h.SSH(s.Context(), "docker inspect --format '{{.State.StartedAt}}' beside-db beside-web-v1 | sort -c")
	if err != nil {
		t.Errorf("the service began before its database: %s", before)
	}
	sql := func(want, query string) {
		t.Helper()
		if got := s.only("accessory", "exec", "db", `psql -h /tmp -U postgres -qtAc "`+query+`"`); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	sql("", "CREATE TABLE fleet (ship text); INSERT INTO fleet VALUES ('Argo'), ('Beagle')")
	if got := s.only("accessory", "exec", "db", "cat /etc/seed.sql"); got != "SELECT 'C';\n" {
		t.Errorf("the database's file is %q", got)
	}
	if got := s.only("accessory", "exec", "db", "stat -c %U:%G:%a /etc/seed.sql /var/lib/postgresql/data"); got != "postgres:postgres:640\npostgres:postgres:700\n" {
		t.Errorf("its file and folder are %q", got)
	}

	t.Run("a push leaves it alone, and says what differs", func(t *testing.T) {
		s := s.in(t)
		other := db.with("env", "{ clear: { LANG: C.UTF-8 } }")
		s.ends(push(with("v2", other, cache)), release.Succeeded)
		if s.id(h, "beside-db") != first {
			t.Error("the database was replaced")
		}
		s.toldThat("the database differs", func(ev release.Event) bool {
			return ev.Kind == release.EventAlert && strings.Contains(ev.Message, "accessory db on "+h.Addr+" differs: env.LANG C → C.UTF-8")
		})
		s.says(0, "differs: env.LANG", "plan")
		sha := s.pushFiles(map[string]string{"config/deploy.yml": with("v2", db, cache).String(), "db/seed.sql.erb": "SELECT 2;\n"})
		s.ends(sha, release.Unchanged)
		s.says(0, "accessory db on "+h.Addr+" differs: file /etc/seed.sql changed old content → new content", "plan")
		if got := s.only("accessory", "exec", "db", "cat /etc/seed.sql"); s.id(h, "beside-db") != first || got != "SELECT 'C';\n" {
			t.Errorf("the database was replaced, or has %q", got)
		}
	})
	t.Run("a reboot keeps its data", func(t *testing.T) {
		s := s.in(t)
		s.says(0, "beside-db: runs", "accessory", "reboot", "db")
		if second := s.id(h, "beside-db"); second == first || second == "" {
			t.Errorf("the database was %s and is %s", first, second)
		}
		sql("2\n", "SELECT count(*) FROM fleet")
		s.says(0, "running (healthy)", "accessory", "details", "db")
	})
	t.Run("an upgrade that is allowed keeps its data", func(t *testing.T) {
		s := s.in(t)
		s.settings = s.settings.with("allow", "[accessories]")
		s.configure()
		s.reload()
		s.ends(push(with("v2", db.with("image", s.service+"-postgres:16"), cache)), release.Succeeded)
		if out, err := h.Docker(t.Context(), "inspect", "--format", "{{.Config.Labels.version}}", "beside-db"); err != nil || out != "16\n" {
			t.Errorf("the image's version is %q (%v)", out, err)
		}
		sql("2\n", "SELECT count(*) FROM fleet")
		if s.id(h, "beside-cache") != kamals {
			t.Error("Kamal's cache was replaced")
		}
	})
	t.Run("a table that was dropped comes back from a backup", func(t *testing.T) {
		s := s.in(t)
		s.says(0, ".dump", "accessory", "backup", "db")
		dumps, err := filepath.Glob(s.path("data/backups/beside/db/*"))
		if err != nil || len(dumps) != 1 {
			t.Fatal(dumps, err)
		}
		if info, err := os.Stat(dumps[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
		sql("", "DROP TABLE fleet")
		s.says(1, "no terminal to ask on", "accessory", "restore", "db")
		s.says(0, "has backup", "accessory", "restore", "db", "-y")
		sql("Argo\nBeagle\n", "SELECT ship FROM fleet ORDER BY 1")
		s.says(1, "does not exist", "accessory", "exec", "db", "psql -h /tmp -U postgres -c 'SELECT * FROM gone'")
	})
	t.Run("dumps are taken by schedule, so many are kept, and one that fails is told", func(t *testing.T) {
		s.in(t).nightly(h, func(how string) string {
			return push(with("v2", db.with("image", s.service+"-postgres:16").with("backup", how), cache))
		})
		sql("2\n", "SELECT count(*) FROM fleet")
	})
	t.Run("what a person stops stays stopped, and what he removes keeps its data", func(t *testing.T) {
		s := s.in(t)
		s.says(0, "stopped", "accessory", "stop", "cache")
		s.says(0, "is stopped, and stays so", "plan")
		s.says(0, "beside-cache: runs", "accessory", "start", "cache")
		s.says(0, "beside-cache: runs", "accessory", "restart", "cache")
		if s.id(h, "beside-cache") != kamals {
			t.Error("a stop, a start and a restart made another container")
		}
		before := s.id(h, "beside-db")
		s.says(0, "beside-db: runs", "accessory", "upgrade", "db", "--rolling", "-y")
		if s.id(h, "beside-db") == before {
			t.Error("an upgrade made no other container")
		}
		s.says(0, "ready", "accessory", "logs", "cache", "-T")
		s.says(1, "there are db, cache", "accessory", "boot", "dbb")
		s.says(0, "its data at /unnamed is in a volume without a name", "accessory", "remove", "cache", "-y")
		if s.id(h, "beside-cache") != kamals {
			t.Error("Kamal's cache was removed, with its data")
		}
		s.says(0, "its data stays", "accessory", "remove", "db", "-y")
		if s.id(h, "beside-db") != "" {
			t.Error("the database is still there")
		}
		s.says(0, "beside-db: runs", "accessory", "boot", "db")
		sql("2\n", "SELECT count(*) FROM fleet")
		s.says(0, "its folder beside-db is removed", "accessory", "remove", "db", "--data", "-y")
		if out, err := h.SSH(t.Context(), "ls -d beside-db"); err == nil {
			t.Errorf("its data is still there: %s", out)
		}
	})
}

// dumps are the files beside the database's dumps, oldest first.
func (s *scenario) dumps() []string {
	s.Helper()
	all, err := filepath.Glob(s.path("data/backups/beside/db/*"))
	s.do(err)
	return all
}

// nightly has dumps taken every two seconds, lets one fail, and kills the daemon
// in the middle of a dump and of a restore.
func (s *scenario) nightly(h *fleet.Host, push func(how string) (sha string)) {
	s.Helper()
	const waits = "while test -e /tmp/slow; do psql -h /tmp -U postgres -qtAc 'SELECT pg_sleep(0.2)'; done; "
	inside := func(text string) {
		s.Helper()
		_, err := h.Docker(s.Context(), "exec", "beside-db", "sh", "-c", text)
		s.do(err)
	}
	sha := push("{ schedule: '@every 2s', keep: 2, cmd: " + strconv.Quote("if test -e /tmp/broken; then echo no disk >&2; exit 7; fi; "+waits+
		"pg_dump -h /tmp -U postgres --clean --if-exists postgres") + ", restore: " + strconv.Quote(waits+"psql -h /tmp -q -v ON_ERROR_STOP=1 -U postgres postgres") + " }")
	s.ends(sha, release.Unchanged) // how it is backed up is no reason to replace it
	var first string
	s.until("two dumps by schedule", func() bool {
		all := s.dumps()
		first = strings.Join(all, " ")
		return len(all) == 2 && !strings.Contains(first, ".part")
	})
	s.until("the oldest ones gone", func() bool {
		all := s.dumps()
		if len(all) > 4 { // two that are kept, a new one, half of the next
			s.Fatalf("there are %v", all)
		}
		return len(all) > 0 && !strings.Contains(first, all[0])
	})

	said := func(what string, words ...string) {
		s.Helper()
		since := time.Now().Add(-time.Second)
		s.toldThat(what, func(ev release.Event) bool {
			return ev.At.After(since) && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(ev.Message, w) })
		})
	}
	const failed, again = "scheduled backup of accessory db failed", "accessory db is backed up again"
	inside(": > /tmp/broken")
	said("the dump failed", failed, "status 7: no disk")
	s.until("nothing left of it, and the kept ones there", func() bool {
		all := strings.Join(s.dumps(), " ")
		return strings.Count(all, ".dump") == 2 && !strings.Contains(all, ".part")
	})
	inside("rm /tmp/broken")
	said("dumps are taken again", again)

	inside(": > /tmp/slow")
	half := s.path("data/backups/beside/db/dump.part")
	slow := func() bool { // and no other, which had begun before
		began, err := os.ReadFile(half)
		return err == nil && strings.HasPrefix(string(began), "\n")
	}
	s.until("a dump under way", slow)
	kept := s.dumps()[:2]
	s.do(s.daemon.Kill())
	if got := s.dumps(); len(got) != 3 || !slices.Equal(got[:2], kept) {
		s.Errorf("after a daemon that died in a dump there are %v, not %v and half of one", got, kept)
	}
	inside("rm /tmp/slow")
	s.do(s.daemon.Start())
	s.until("dumps taken again", func() bool { return !slices.Contains(s.dumps(), kept[0]) })

	s.ends(push("{ cmd: pg_dump -h /tmp -U postgres --clean --if-exists postgres, restore: "+strconv.Quote(waits+"psql -h /tmp -q -v ON_ERROR_STOP=1 -U postgres postgres")+" }"), release.Unchanged)
	s.until("no dump under way", func() bool { _, err := os.Stat(half); return err != nil })
	inside(": > /tmp/slow")
	heard := make(chan string)
	go func() { out, _ := s.types("accessory", "restore", "db", "-y"); heard <- out }()
	s.until("a restore under way", func() bool { _, err := os.Stat(half); return err == nil })
	s.do(s.daemon.Kill())
	if out := <-heard; !strings.Contains(out, "some of the dump may be there already: restore it again") {
		s.Errorf("a person whose restore's daemon died is told %q", out)
	}
	inside("rm /tmp/slow")
	s.do(s.daemon.Start())
	s.until("half a restore swept", func() bool { _, err := os.Stat(half); return err != nil })
	s.until("the repository read again", func() bool {
		out, _ := s.types("accessory", "backups", "db")
		return !strings.Contains(out, "not looked at yet")
	})
	s.says(0, "has backup", "accessory", "restore", "db", "-y")
}

func TestAnAccessoryThatDoesNotWorkHoldsTheServiceUpAndTakesNothingBack(t *testing.T) {
	s := begin(t, "besidebad")
	h := s.hosts[0]
	s.clearBeside(h, "cache")
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("bad", map[string]string{"EXIT": "3"})
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	cache := func(version string) string {
		return "{ cache: { image: " + s.service + ":" + version + ", registry: { server: " + shared.fleet.Registry + ", username: " + registryUser +
			", password: [REGISTRY_PASSWORD] }, host: " + h.Addr + ", proxy: { host: cache.example.com, app_port: 80 } } }"
	}
	sha := s.push(s.file("v2").with("accessories", cache("bad")))
	ev := s.told(sha, release.Waiting)
	if f := ev.Release.Failure; f == nil || f.Class != release.World || f.ExitCode == nil || *f.ExitCode != 3 || !strings.Contains(f.Next, "fairlead accessory reboot") {
		t.Errorf("the failure is %+v", ev.Release.Failure)
	}
	s.answers("v1")
	s.ends(s.push(s.file("v2").with("accessories", cache("v1"))), release.Succeeded)
	s.answers("v2")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Addr+"/version", nil)
	s.do(err)
	req.Host = "cache.example.com"
	resp, err := http.DefaultClient.Do(req)
	s.do(err)
	s.do(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the accessory behind the proxy answers %d", resp.StatusCode)
	}
}
