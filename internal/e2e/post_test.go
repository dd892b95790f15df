package e2e_test

import (
	"bufio"
	"context"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// block is a YAML block of the post that Fairlead starts from, word for word
// but for the addresses, which are those of the scenario's hosts.
func (s *scenario) block(name string) string {
	s.Helper()
	text, err := os.ReadFile("../../deployer/spec/testdata/post/" + name + ".yml")
	s.do(err)
	first, second := s.hosts[0].Addr, s.hosts[1].Addr
	return strings.NewReplacer(
		"10.0.1.10", first, "10.0.1.11", second, "10.0.2.10", first, "10.0.2.11", second, "10.0.3.10", first, "10.0.3.11", second,
		"web1.example.com", first, "web2.example.com", second, "worker1.example.com", first, "worker2.example.com", second,
		"scheduler.example.com", first, "db.example.com", first, "cache.example.com", second, "logs.example.com", here(),
	).Replace(string(text))
}

// over lays YAML mappings over one another: of a key, the last one counts.
func (s *scenario) over(blocks ...string) string {
	s.Helper()
	all := map[string]any{}
	for _, block := range blocks {
		var one map[string]any
		s.do(yaml.Unmarshal([]byte(block), &one))
		maps.Copy(all, one)
	}
	text, err := yaml.Marshal(all)
	s.do(err)
	return string(text)
}

// rails pushes an image that is laid out as Rails' are: bin/rails in the
// folder that it starts in, assets, the port 3000.
func (s *scenario) rails(repository, version string) {
	s.Helper()
	img := shared.app.Image(version, map[string]string{"PORT": "3000"})
	img.Path, img.Dir, img.Cmd = "/rails/bin/rails", "/rails", []string{"bin/rails", "server"}
	img.Ports = []string{"3000/tcp"}
	img.Files = map[string]string{"/app/public/assets/app-" + version + ".css": "style of " + version}
	_, err := shared.fleet.Push(s.Context(), img, repository+":"+version)
	s.do(err)
}

// secretsOfThePost is its file config/secrets.production, word for word but
// for the password, which is the test registry's.
const secretsOfThePost = `# config/secrets.production
KAMAL_REGISTRY_PASSWORD=` + registryPassword + `
DATABASE_URL=postgresql://user:pass@db-host:5432/myapp_production
SECRET_KEY_BASE=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
REDIS_URL=redis://redis-host:6379/0
POSTGRES_PASSWORD=secure_db_password
`

// thePost begins a scenario with the post's service: its secrets, its images,
// and a mirror that stands for ghcr.io and Docker Hub.
func thePost(t *testing.T) *scenario {
	t.Helper()
	s := begin(t, "myapp")
	s.typed = &[]string{}
	s.onNewHost() // it takes ports, and the route of all names
	first := s.hosts[0]
	s.onNewHost()
	s.hosts = []*fleet.Host{first, s.hosts[0]}
	s.mirrored()
	s.write("secrets", secretsOfThePost)
	s.settings["allow"] = "[hooks, accessories, commands]"
	s.stores()
	for repository, make := range map[string]func(context.Context, string) (fleet.Image, error){
		"library/postgres:15": fleet.Postgres, "library/redis:7-alpine": fleet.Redis,
	} {
		dir := t.TempDir()
		img, err := make(t.Context(), dir)
		s.do(err)
		_, err = shared.fleet.Push(t.Context(), img, repository)
		s.do(err)
	}
	for _, h := range s.hosts {
		s.clearBeside(h, "db", "postgres", "redis")
	}
	return s
}

// commit pushes a deploy.yml and the image that the commit is built into.
func (s *scenario) commit(file string) (sha string) {
	s.Helper()
	sha, err := s.repo.Push(s.Context(), "Change the deploy.yml", map[string]string{"config/deploy.yml": file})
	s.do(err)
	s.rails("myorg/myapp", sha)
	return sha
}

// roleRuns is the containers of a role that run on a host.
func (s *scenario) roleRuns(h *fleet.Host, role string) []string {
	s.Helper()
	out, err := h.Docker(s.Context(), "ps", "--format", "{{.Names}}", "--filter", "label=service="+s.service, "--filter", "label=role="+role)
	s.do(err)
	return slices.Sorted(slices.Values(strings.Fields(out)))
}

// quick is laid over the post's files after the first, to wait less.
const quick = "x-fairlead: { window: 1s }\nreadiness_delay: 1\n"

func TestThePostsFilesAndCommandsWorkAsTheyStand(t *testing.T) {
	t.Parallel()
	s := thePost(t)
	production := s.block("production")
	first := s.commit(production)
	s.start()
	s.ends(first, release.Succeeded)
	serves := func(version string) {
		t.Helper()
		for _, h := range s.hosts {
			if got := s.ask(h, "/version"); got != version {
				t.Errorf("%s answers %s, want %s", h.Name, got, version)
			}
		}
	}
	runs := func(h *fleet.Host, role string, want ...string) {
		t.Helper()
		if got := s.roleRuns(h, role); !slices.Equal(got, want) {
			t.Errorf("%s of %s: %v run, want %v", role, h.Name, got, want)
		}
	}
	serves(first)
	for _, h := range s.hosts {
		runs(h, "web", "myapp-web-"+first)
		runs(h, "worker", "myapp-worker-"+first)
		for name, want := range map[string]string{"RAILS_ENV": "production", "DATABASE_URL": "postgresql://user:pass@db-host:5432/myapp_production"} {
			if got := s.ask(h, "/env?name="+name); got != want {
				t.Errorf("%s is %q on %s", name, got, h.Name)
			}
		}
	}
	for name, h := range map[string]*fleet.Host{"myapp-db": s.hosts[0], "myapp-redis": s.hosts[1]} {
		if s.id(h, name) == "" {
			t.Errorf("%s does not run on %s", name, h.Name)
		}
	}
	s.says(0, "rails db:migrate", "history", "--json")
	s.says(0, "rails cache:clear", "history", "--json")

	second := s.commit(s.over(production, quick))
	s.ends(second, release.Succeeded)
	serves(second)
	if got := s.ask(s.hosts[0], "/file?path=/app/public/assets/app-"+first+".css"); got != "style of "+first {
		t.Errorf("the asset of the version before is %q", got)
	}

	// kamal setup, deploy, deploy --version, deploy --roles
	s.rails("myorg/myapp", "v2.1.0")
	s.says(0, "is ready: Docker", "setup", "--follow")
	s.says(0, "", "deploy", "--follow")
	s.says(0, "is live on 2 hosts", "deploy", "--version=v2.1.0", "--follow")
	serves("v2.1.0")
	s.says(0, "", "deploy", "--version="+first, "--roles=web", "--follow")
	serves(first)
	runs(s.hosts[0], "worker", "myapp-worker-v2.1.0")
	s.says(0, "", "deploy", "--roles=web", "--follow")
	s.says(0, "is live", "rollback", "--follow")
	s.says(0, "is live", "resume", "--follow")
	serves(second)

	// kamal app …
	before := s.portrait()
	s.says(0, "is live on 2 hosts", "app", "restart", "--follow")
	if s.portrait() == before {
		t.Error("the same containers run after a restart")
	}
	s.says(0, "", "app", "scale", "web=3", "--follow")
	for _, h := range s.hosts {
		if got := s.roleRuns(h, "web"); len(got) != 3 {
			t.Errorf("%v serve on %s after scale web=3", got, h.Name)
		}
	}
	serves(second)
	s.says(0, "is live", "resume", "--follow")
	runs(s.hosts[0], "web", "myapp-web-"+second)
	if out := s.only("app", "exec", "bin/rails console"); !strings.Contains(out, "rails console") {
		t.Errorf("bin/rails console says %q", out)
	}
	s.follows("app", "logs", "--follow")

	// kamal accessory exec … > backup.sql
	if dump := s.only("accessory", "exec", "db", "pg_dump -h localhost -U postgres myapp_production"); !strings.HasPrefix(dump, "--\n-- PostgreSQL database dump") {
		t.Errorf("the dump begins with %.200q", dump)
	}

	s.blocks(production)
	s.checkout(production)
	s.everyCommand()
}

// blocks lays the post's other blocks over its production file, each by itself.
func (s *scenario) blocks(production string) {
	runs := func(h *fleet.Host, role string, want ...string) {
		s.Helper()
		if got := s.roleRuns(h, role); !slices.Equal(got, want) {
			s.Errorf("%s of %s: %v run, want %v", role, h.Name, got, want)
		}
	}
	s.Run("roles", func(t *testing.T) {
		s := s.in(t)
		sha := s.commit(s.over(production, s.block("roles"), "healthcheck: { path: /health, port: 3000 }", quick))
		s.ends(sha, release.Succeeded)
		runs(s.hosts[0], "scheduler", "myapp-scheduler-"+sha)
		for _, h := range s.hosts {
			if out, err := h.Docker(t.Context(), "logs", "myapp-worker-"+sha); err != nil || !strings.Contains(out, "did job 1") {
				t.Errorf("the worker of %s: %v %q", h.Name, err, out)
			}
		}
	})
	s.Run("hooks", func(t *testing.T) {
		s := s.in(t)
		sha := s.commit(s.over(production, s.block("hooks"), quick))
		s.ends(sha, release.Succeeded)
		s.says(0, "rails sitemap:refresh", "history", "--json")
	})
	s.Run("accessories", func(t *testing.T) {
		s := s.in(t)
		s.ends(s.commit(s.over(production, s.block("accessories"), quick)), release.Succeeded)
		if out := s.only("accessory", "exec", "redis", "redis-cli config get appendonly"); out != "appendonly\nyes\n" {
			t.Errorf("redis says %q", out)
		}
		// kamal accessory exec postgres "…" > backup.sql
		if dump := s.only("accessory", "exec", "postgres", "pg_dump -U postgres myapp_production"); !strings.HasPrefix(dump, "--\n-- PostgreSQL database dump") ||
			!strings.Contains(dump, "\n-- PostgreSQL database dump complete\n") {
			t.Errorf("the dump is %.200q", dump)
		}
	})
	s.Run("secrets", func(t *testing.T) { s.in(t).secretsInTwoWays(production) })
	logs := s.syslog() // until nothing logs there any more
	s.Run("monitoring", func(t *testing.T) { s.in(t).monitored(production, logs) })
	s.Run("load balancing", func(t *testing.T) { s.in(t).certifiedByLabels(production) })
}

// follows runs a command that goes on until it is interrupted, and checks that
// it speaks of every host.
func (s *scenario) follows(args ...string) {
	s.Helper()
	s.note(args)
	cmd := exec.CommandContext(s.Context(), shared.program, append(args, "--config", s.daemon.Conf)...)
	out, err := cmd.StdoutPipe()
	s.do(err)
	s.do(cmd.Start())
	watchdog := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	missing := map[string]bool{}
	for _, h := range s.hosts {
		missing[h.Addr] = true
	}
	lines := bufio.NewScanner(out)
	for len(missing) > 0 && lines.Scan() {
		maps.DeleteFunc(missing, func(addr string, _ bool) bool { return strings.Contains(lines.Text(), " "+addr+" ") })
	}
	if len(missing) > 0 {
		s.Errorf("%v: not a line of %v", args, slices.Collect(maps.Keys(missing)))
	}
	s.do(cmd.Process.Signal(os.Interrupt))
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // 130 after an interrupt
}
