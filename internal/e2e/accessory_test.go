package e2e_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
			out, err := h.SSH(context.WithoutCancel(s.Context()), "docker ps -aq --filter name=^/"+s.service+"-"+name+" | xargs -r docker rm -f; rm -rf "+s.service+"-"+name)
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
	account := "{ server: " + shared.fleet.Registry + ", username: " + registryUser + ", password: [REGISTRY_PASSWORD] }"
	db := yml{
		"image": s.service + "-postgres:15", "registry": account, "host": h.Addr, "env": "{ clear: { LANG: C } }",
		"directories": "[{ local: data, remote: /var/lib/postgresql/data, mode: \"0700\", owner: postgres }]",
		"files":       "[{ local: db/seed.sql.erb, remote: /etc/seed.sql, mode: \"0640\", owner: \"postgres:postgres\" }]",
		"options":     "{ health-cmd: pg_isready -h /tmp -U postgres, health-interval: 1s }",
		"backup":      "{ cmd: pg_dump -h /tmp -U postgres --clean --if-exists postgres, restore: psql -h /tmp -q -v ON_ERROR_STOP=1 -U postgres postgres, keep: 2 }",
	}
	// One that Kamal booted before.
	cache := yml{"image": s.service + ":v1", "registry": account, "host": h.Addr, "env": "{ clear: { READY: now } }"}
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
			" --label service=beside-cache " + shared.fleet.Registry + "/" + s.service + ":v1",
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
	t.Run("what a person stops stays stopped, and what he removes keeps its data", func(t *testing.T) {
		s := s.in(t)
		s.says(0, "stopped", "accessory", "stop", "cache")
		s.says(0, "is stopped, and stays so", "plan")
		s.says(0, "beside-cache: runs", "accessory", "start", "cache")
		s.says(0, "ready", "accessory", "logs", "cache", "-T")
		s.says(1, "there are db, cache", "accessory", "boot", "dbb")
		s.says(0, "its data stays", "accessory", "remove", "db", "-y")
		if s.id(h, "beside-db") != "" {
			t.Error("the database is still there")
		}
		s.says(0, "beside-db: runs", "accessory", "boot", "db")
		sql("2\n", "SELECT count(*) FROM fleet")
	})
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
