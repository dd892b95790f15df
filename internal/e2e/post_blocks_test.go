package e2e_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/features"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/proxy/certs/acmetest"
	"github.com/fairlead-deploy/fairlead/release"
)

// here is this machine's address in the hosts' network.
func here() string { return shared.fleet.Subnet.Masked().Addr().Next().String() }

// stores prepares what the post's second way to secrets asks: a program called
// vault, which stands in for HashiCorp's, and a secret in the environment.
func (s *scenario) stores() {
	s.Helper()
	s.do(os.MkdirAll(s.path("bin"), 0o700))
	s.do(os.WriteFile(s.path("bin/vault"), []byte("#!/bin/sh\n[ \"$*\" = 'print -field=token secret/myapp/token' ] && echo hvs.token-of-the-vault\n"), 0o700))
	s.settings["secrets"] = "{ file: " + s.path("secrets") + ", env: [SECURE_API_KEY] }"
	s.daemon.Env = []string{"PATH=" + s.path("bin") + ":" + os.Getenv("PATH"), "SECURE_API_KEY=key-of-the-api-3c9"}
}

// without is a file without one of its root keys.
func (s *scenario) without(key, file string) string {
	s.Helper()
	var all map[string]any
	s.do(yaml.Unmarshal([]byte(file), &all))
	delete(all, key)
	text, err := yaml.Marshal(all)
	s.do(err)
	return string(text)
}

// secretsInTwoWays deploys each of the post's two ways to secrets; both in one
// file, as the post writes them, are refused.
func (s *scenario) secretsInTwoWays(production string) {
	block := s.block("secrets")
	files, stores, two := strings.Cut(block, "\n# Integration with external secret stores\n")
	if !two {
		s.Fatal("the block about secrets is another one")
	}
	for _, c := range []struct {
		env  string
		want map[string]string
	}{
		{files, map[string]string{"DATABASE_URL": "postgresql://user:pass@db-host:5432/myapp_production", "SECRET_KEY_BASE": strings.Repeat("x", 36)}},
		{stores, map[string]string{"VAULT_TOKEN": "hvs.token-of-the-vault", "API_KEY": "key-of-the-api-3c9"}},
	} {
		sha := s.commit(s.over(production, c.env, quick))
		s.ends(sha, release.Succeeded)
		for _, h := range s.hosts {
			got := s.one(h, "myapp-web-"+sha)
			for name, want := range c.want {
				if value, _ := got.env(name); value != want {
					s.Errorf("%s is %q on %s", name, value, h.Name)
				}
			}
			if _, there := got.env("REDIS_URL"); there {
				s.Errorf("%s has a variable of the production file's env: %v", h.Name, got.Config.Env)
			}
		}
	}
	before := s.portrait()
	sha, err := s.repo.Push(s.Context(), "Both ways", map[string]string{"config/deploy.yml": block + "\n" + s.without("env", production)})
	s.do(err)
	ev := s.ends(sha, release.Failed)
	if want := "config/deploy.yml:8:1: env: written already at line 2 (merge them or remove one)"; ev.Release.Failure == nil || !strings.Contains(ev.Release.Failure.Message, want) {
		s.Errorf("both in one file: %+v, want %q", ev.Release.Failure, want)
	}
	if s.portrait() != before {
		s.Error("a file that is refused changed what runs")
	}
}

// receiver is a syslog server on this machine.
type receiver struct {
	mu    sync.Mutex
	lines map[string][]string // by the address of who sent them
}

// syslog listens for what engines send by TCP until the end of the test.
func (s *scenario) syslog() *receiver {
	s.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(here(), "514"))
	s.do(err)
	r := &receiver{lines: map[string][]string{}}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() { r.read(conn) })
		}
	})
	s.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		go func() { all.Wait() }() // they end with their connections
	})
	return r
}

func (r *receiver) read(conn net.Conn) {
	from := conn.RemoteAddr().(*net.TCPAddr).IP.String()
	for lines := bufio.NewScanner(io.LimitReader(conn, 1<<20)); lines.Scan(); {
		r.mu.Lock()
		r.lines[from] = append(r.lines[from], lines.Text())
		r.mu.Unlock()
	}
}

// got tells whether a host sent such a line.
func (r *receiver) got(h *fleet.Host, line *regexp.Regexp) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.lines[h.Addr], line.MatchString)
}

// monitored deploys the post's block about monitoring: its labels are on the
// containers, and their lines reach a syslog server.
func (s *scenario) monitored(production string, logs *receiver) {
	sha := s.commit(s.over(production, s.block("monitoring"), quick))
	s.ends(sha, release.Succeeded)
	for _, h := range s.hosts {
		web := s.one(h, "myapp-web-"+sha)
		for label, want := range map[string]string{"prometheus.io/scrape": "true", "prometheus.io/port": "3000", "prometheus.io/path": "/metrics"} {
			if got := web.Config.Labels[label]; got != want {
				s.Errorf("%s is %q on %s", label, got, h.Name)
			}
		}
		for _, role := range []string{"web", "worker"} {
			name := "myapp-" + role + "-" + sha // which the block's tag has behind its own myapp-
			line := regexp.MustCompile(`^<\d+>.* myapp-` + name + `\[\d+\]: .*app ` + sha + ` booting`)
			s.until(h.Name+" sends the lines of "+name, func() bool { return logs.got(h, line) })
		}
	}
	if out := s.only("app", "logs"); strings.Count(out, "app "+sha+" booting") < 2 {
		s.Errorf("app logs says %q", out)
	}
}

// certifiedByLabels deploys the post's block about load balancing and SSL: certificates
// of an ACME server for the host that the name leads to, both hosts redirect.
func (s *scenario) certifiedByLabels(production string) {
	ca := acmetest.Start(s.T, acmetest.Options{Listen: here(), Hosts: net.ParseIP(s.hosts[0].Addr), HTTPPort: 80, TLSPort: 443})
	roots, err := os.ReadFile(ca.Roots)
	s.do(err)
	for _, h := range s.hosts {
		_, err = h.SSH(s.Context(), "cat > .kamal/proxy/apps-config/acme.pem <<'END'\n"+string(roots)+"END")
		s.do(err)
	}
	// What is not in the post is where this CA is.
	where := "x-fairlead: { window: 1s, proxy: { acme_directory: '" + ca.Directory + "' } }\n" +
		"proxy: { run: { options: { env: KAMAL_PROXY_ACME_ROOTS=/home/kamal-proxy/.apps-config/acme.pem } } }\n"
	sha := s.commit(s.over(production, quick, s.block("load-balancing"), where))
	s.ends(sha, release.Succeeded)
	s.says(0, "", "proxy", "reboot", "-y")
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{ServerName: "myapp.com", RootCAs: ca.Trust}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       10 * time.Second,
	}
	asks := func(url string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, nil)
		s.do(err)
		req.Host = "myapp.com"
		resp, err := client.Do(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		return resp, strings.TrimSpace(string(page)), err
	}
	for _, h := range s.hosts {
		resp, _, err := asks("http://" + h.Addr + "/version")
		if s.do(err); resp.StatusCode != http.StatusMovedPermanently || resp.Header.Get("Location") != "https://myapp.com/version" {
			s.Errorf("%s answers %s, to %q", h.Name, resp.Status, resp.Header.Get("Location"))
		}
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(s.Context(), "tcp", h.Addr+":443")
		s.do(err)
		s.do(conn.Close())
	}
	var page string
	s.until("the name has a certificate", func() bool {
		_, page, err = asks("https://" + s.hosts[0].Addr + "/version")
		return err == nil
	})
	if page != sha {
		s.Errorf("over TLS it answers %q, want %s", page, sha)
	}
}

// checkout builds, pushes and deploys as a person does, without a daemon: the
// post's production file, its secrets where the post has them. What is pushed to
// is the fleet's registry, for nobody reaches GitHub's here.
func (s *scenario) checkout(production string) {
	s.do(s.daemon.Stop())
	p := alone(s)
	s.do(os.Remove(filepath.Join(p.dir, ".kamal/secrets")))
	file := strings.NewReplacer("ghcr.io", shared.fleet.Registry, "username: myorg", "username: "+registryUser).Replace(production)
	program, err := os.ReadFile(shared.app.Image("", nil).Binary)
	s.do(err)
	for name, text := range map[string]string{
		"config/deploy.yml": s.over(file, s.block("hooks"), quick, "builder: { arch: amd64, local: false, remote: ssh://root@"+s.hosts[0].Addr+" }"),
		// Word for word but for the password, and Git does not have it.
		"config/secrets.production": secretsOfThePost, ".gitignore": "config/secrets*\n",
		"bin/rails": string(program), "public/assets/app-built.css": "style of built",
		"Dockerfile": "FROM scratch\nCOPY --chmod=755 bin/rails /rails/bin/rails\nCOPY public /app/public\nWORKDIR /rails\n" +
			"ENV VERSION=built PORT=3000\nEXPOSE 3000\nCMD [\"bin/rails\", \"server\"]\n",
	} {
		path := filepath.Join(p.dir, name)
		s.do(os.MkdirAll(filepath.Dir(path), 0o700))
		s.do(os.WriteFile(path, []byte(text), 0o600))
	}
	p.git("add", ".")
	p.git("commit", "-q", "-m", "Begin")
	s.write("alone.yml", "registries: "+strings.TrimSuffix(s.operator["registries"], "}")+`, "`+shared.fleet.Registry+`": { insecure: true } }`+
		"\nsocket: "+s.path("none")+"\n")
	sha := strings.TrimSpace(p.git("rev-parse", "HEAD"))
	p.wants(0, "", "build")
	p.wants(0, sha, "push")
	p.wants(0, "is live on 2 hosts", "deploy")
	for _, h := range s.hosts {
		if got := s.ask(h, "/version"); got != "built" {
			s.Errorf("%s answers %q", h.Name, got)
		}
		if got := s.ask(h, "/env?name=SECRET_KEY_BASE"); got != strings.Repeat("x", 36) {
			s.Errorf("SECRET_KEY_BASE is %q on %s", got, h.Name)
		}
	}
}

// postsCommand is one in the table of docs/features.md.
var postsCommand = regexp.MustCompile("`kamal ([^`]+)`")

// everyCommand fails the test unless each command that the table says this test
// shows was typed, word for word.
func (s *scenario) everyCommand() {
	text, err := os.ReadFile("../../docs/features.md")
	s.do(err)
	rows, err := features.Read(strings.NewReader(string(text)))
	s.do(err)
	commands := 0
	for _, row := range rows {
		if !slices.ContainsFunc(row.Tests, func(t features.Test) bool { return t.Package == "internal/e2e" && t.Name == s.Name() }) {
			continue
		}
		for _, m := range postsCommand.FindAllStringSubmatch(row.Text, -1) {
			commands++
			line, _, _ := strings.Cut(m[1], " > ") // a shell's
			line = strings.NewReplacer(`"`, "", "'", "").Replace(line)
			if !slices.Contains(*s.typed, line) && !slices.Contains(*s.typed, line+" --follow") {
				s.Errorf("nobody typed `fairlead %s`", line)
			}
		}
	}
	if commands < 10 {
		s.Error(fmt.Errorf("the table has only %d commands", commands))
	}
}
