package e2e_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/proxy/certs/acmetest"
	"github.com/fairlead-deploy/fairlead/release"
)

// asks is what a host's proxy answers for the service, with its page.
func (s *scenario) asks(h *fleet.Host, path string) (status int, page string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Addr+path, nil)
	s.do(err)
	req.Host = s.host()
	resp, err := actor.NewClient().Do(req) // which follows no redirect
	s.do(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	s.do(err)
	return resp.StatusCode, strings.TrimSpace(string(body))
}

// shows checks the page that every host's proxy answers with.
func (s *scenario) shows(path string, status int, page string) {
	s.Helper()
	for _, h := range s.hosts {
		if code, text := s.asks(h, path); code != status || text != page {
			s.Errorf("%s%s answers %d %q, want %d %q", h.Name, path, code, text, status, page)
		}
	}
}

func TestVisitorsSeeTheErrorPagesOfTheCommitThatIsLive(t *testing.T) {
	s := begin(t, "pages")
	s.image("v1", nil)
	s.start()
	file := s.file("v1").with("error_pages_path", "public").
		with("proxy", "{ host: "+s.host()+", app_port: 80, response_timeout: 1, healthcheck: { path: /up, interval: 1, timeout: 2 } }")
	pages := func(of string) map[string]string {
		return map[string]string{
			"config/deploy.yml": file.String(), "public/504.html": "late, says " + of, "public/5xx.html": "broken, says " + of,
			"public/503.html": "closed, says " + of + ": {{ .Message }}", "public/assets/app.css": strings.Repeat("x", 2<<20),
		}
	}
	s.ends(s.pushFiles(pages("one")), release.Succeeded)
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says one")
	s.says(0, "answers with 503", "app", "maintenance", "--message", "Back <soon>", "--drain-timeout", "1s")
	s.shows("/version", http.StatusServiceUnavailable, "closed, says one: Back &lt;soon&gt;")
	s.says(0, "serves again", "app", "live")
	s.answers("v1")
	before := s.portrait()

	s.ends(s.pushFiles(pages("two")), release.Succeeded)
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says two")
	if s.portrait() != before {
		t.Error("other pages made new containers")
	}
	for _, h := range s.hosts {
		left, err := h.SSH(t.Context(), "ls .kamal/proxy/apps-config/"+s.service+"/error_pages")
		s.do(err)
		if strings.Count(left, "web-") != 1 {
			t.Errorf("on %s there are %q", h.Name, left)
		}
	}
	s.says(0, "is live on 2 hosts", "rollback", "--follow")
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says one")
	for _, h := range s.hosts {
		_, err := h.Docker(t.Context(), "kill", s.web("v1"))
		s.do(err)
	}
	s.shows("/version", http.StatusBadGateway, "broken, says one")
}

// gaps asks a host all the time, each time over a new connection. leave
// returns the longest time without an answer.
func (s *scenario) gaps(h *fleet.Host) (leave func() time.Duration) {
	ctx, stop := context.WithCancel(s.Context())
	client := actor.NewClient()
	longest, last := time.Duration(0), time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := actor.Get(context.WithoutCancel(ctx), client, s.site(h), "/version"); err == nil {
				longest, last = max(longest, time.Since(last)), time.Now()
			}
		}
	}()
	return func() time.Duration {
		stop()
		<-done
		return longest
	}
}

// refused is how long connections were refused, as a command says.
func (s *scenario) refused(args ...string) {
	s.Helper()
	leave := s.gaps(s.hosts[0])
	out, status := s.types(args...)
	measured := leave()
	_, text, ok := strings.Cut(out, "connections were refused for at most ")
	said, err := time.ParseDuration(strings.TrimSpace(text))
	if status != 0 || !ok || err != nil {
		s.Fatalf("%v ends with %d and says %q (%v)", args, status, out, err)
	}
	s.Logf("%v: says %s, a visitor waited %s; %s", args, said, measured, out)
	if measured > said+2*time.Second || said > 20*time.Second {
		s.Errorf("%v says %s; a visitor waited %s", args, said, measured)
	}
}

// proxyIs wants something of the proxy's container, as docker inspect prints it.
func (s *scenario) proxyIs(format, want string) {
	s.Helper()
	got, err := s.hosts[0].Docker(s.Context(), "inspect", "--format", format, "kamal-proxy")
	if s.do(err); strings.TrimSpace(got) != want {
		s.Errorf("the proxy's %s is %q, want %q", format, strings.TrimSpace(got), want)
	}
}

func TestAProxyIsUpgradedRebootedAndReplacedByAnotherKind(t *testing.T) {
	t.Parallel()
	s := begin(t, "proxies")
	s.onNewHost()
	s.image("v1", nil)
	s.image("v2", nil)
	_, err := shared.fleet.Push(t.Context(), fleet.Image{ // what speaks kamal-proxy's language
		Binary: shared.program, Path: "/usr/local/bin/kamal-proxy", Cmd: []string{"kamal-proxy", "run"}, Dir: "/",
		Env: map[string]string{"PATH": "/usr/local/bin"}, Labels: map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
	}, "basecamp/kamal-proxy:v0.9.3")
	s.do(err)
	file := func(version, memory string) yml {
		return s.file(version).with("x-fairlead", "{ window: 1s, proxy: fairlead }").with("proxy",
			"{ host: "+s.host()+", app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 }, response_timeout: 7, run: { registry: "+
				shared.fleet.Registry+", repository: basecamp/kamal-proxy, version: v0.9.3, options: { memory: "+memory+" } } }")
	}
	s.operator["reconcile"] = "1h" // which would start a proxy that is stopped
	s.start()
	s.ends(s.push(file("v1", "200m")), release.Succeeded)
	s.answers("v1")
	s.proxyIs("{{.Config.Image}} {{.HostConfig.Memory}}", "fairlead/proxy:v0.9.2.1 209715200")
	const identity = "{{.Id}} {{.State.StartedAt}}"
	same, err := s.hosts[0].Docker(t.Context(), "inspect", "--format", identity, "kamal-proxy")
	s.do(err)

	// Another build of the program is the same one with some bytes behind it.
	text, err := os.ReadFile(shared.program)
	s.do(err)
	s.do(os.WriteFile(s.path("other"), append(text, "another build"...), 0o755))
	s.do(s.daemon.Stop())
	s.daemon.Program = s.path("other")
	s.start()
	s.until("the daemon knows the service", func() bool { _, code := s.types("app", "version"); return code == 0 })
	leave := s.visitors()
	s.says(0, "upgraded: it is v0.9.2.1 now", "proxy", "upgrade")
	s.answers("v1")
	leave()
	s.says(0, "it is this program already", "proxy", "upgrade")
	s.proxyIs(identity, strings.TrimSpace(same))

	s.ends(s.push(file("v1", "150m")), release.Unchanged)
	s.refused("proxy", "reboot", "-y")
	s.proxyIs("{{.Config.Image}} {{.HostConfig.Memory}}", "fairlead/proxy:v0.9.2.1 157286400")
	s.answers("v1")

	s.refused("proxy", "use", "kamal-proxy", "-y")
	s.proxyIs("{{.Config.Image}}", shared.fleet.Registry+"/basecamp/kamal-proxy:v0.9.3")
	s.answers("v1")
	leave = s.visitors()
	s.ends(s.push(file("v2", "150m")), release.Succeeded)
	s.answers("v2")
	leave()
	s.refused("proxy", "use", "fairlead", "-y")
	s.answers("v2")
	told, err := s.hosts[0].Docker(t.Context(), "exec", "kamal-proxy", "kamal-proxy", "list", "--json")
	if s.do(err); !strings.Contains(told, `"target_timeout": "7s"`) {
		t.Errorf("the options of the route are lost: %s", told)
	}

	s.says(1, "serves [proxies-web]", "proxy", "remove")
	s.says(0, "stopped", "proxy", "stop", "-y")
	if got, err := actor.Get(t.Context(), actor.NewClient(), s.site(s.hosts[0]), "/version"); err == nil {
		t.Errorf("a stopped proxy answers %q", got)
	}
	s.says(0, "started", "proxy", "start")
	s.answers("v2")
	s.says(0, "removed: none, it was fairlead/proxy:v0.9.2.1", "proxy", "remove", "--force")
	if left, err := s.hosts[0].Docker(t.Context(), "images", "--quiet", "fairlead/proxy"); err != nil || strings.TrimSpace(left) != "" {
		t.Errorf("the proxy's image stays: %q, %v", left, err)
	}
	s.says(0, "booted", "proxy", "boot")
	s.answers("v2")
	s.says(0, "kamal-proxy", "proxy", "details")
	s.says(0, `"msg":"services restored"`, "proxy", "logs", "-g", "restored")
	s.says(1, "write `proxy:", "proxy", "boot_config", "set", "--http-port", "8080")
	s.certified()
}

// certified goes on with a file for Kamal 1's Traefik and certificates of an
// ACME server.
func (s *scenario) certified() {
	s.Helper()
	h := s.hosts[0]
	ca := acmetest.Start(s.T, acmetest.Options{
		Listen: shared.fleet.Subnet.Masked().Addr().Next().String(), Hosts: net.ParseIP(h.Addr), HTTPPort: 80, TLSPort: 443,
	})
	roots, err := os.ReadFile(ca.Roots)
	s.do(err)
	_, err = h.SSH(s.Context(), "cat > .kamal/proxy/apps-config/acme.pem <<'END'\n"+string(roots)+"END")
	s.do(err)
	// Kamal 1's way to say it, as people wrote it; what is not in it is where this CA is.
	const block = `traefik:
  options:
    publish:
      - "443:443"
      - "80:80"
  args:
    entrypoints.web.address: ":80"
    entrypoints.websecure.address: ":443"
    entrypoints.web.http.redirections.entrypoint.to: "websecure"
    entrypoints.web.http.redirections.entrypoint.scheme: "https"
    certificatesresolvers.letsencrypt.acme.tlschallenge: true
    certificatesresolvers.letsencrypt.acme.email: "admin@example.com"
    certificatesresolvers.letsencrypt.acme.storage: "/letsencrypt/acme.json"

labels:
  traefik.http.routers.myapp.rule: "Host(` + "`myapp.com`" + `)"
  traefik.http.routers.myapp.tls.certresolver: "letsencrypt"
`
	s.pushFiles(map[string]string{"config/deploy.yml": strings.ReplaceAll(block, "myapp.com", s.host()) + s.file("v2").
		with("x-fairlead", "{ window: 1s, proxy: { kind: fairlead, acme_directory: '"+ca.Directory+"' } }").
		with("proxy", "{ app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 }, "+
			"run: { options: { env: KAMAL_PROXY_ACME_ROOTS=/home/kamal-proxy/.apps-config/acme.pem } } }").String()})
	s.until("the route wants TLS", func() bool { code, _ := s.asks(h, "/version"); return code == http.StatusMovedPermanently })
	s.refused("proxy", "reboot", "-y")
	s.proxyIs("{{len .Config.Env}}", "5") // PATH and HOME, and three about ACME
	serial := func(name string) (serial string) {
		s.until(name+" has a certificate", func() bool {
			dialer := tls.Dialer{Config: &tls.Config{ServerName: name, RootCAs: ca.Trust}}
			conn, err := dialer.DialContext(s.Context(), "tcp", h.Addr+":443")
			if err != nil {
				return false
			}
			serial = conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
			s.do(conn.Close())
			return true
		})
		return serial
	}
	first := serial(s.host())
	s.says(0, "restarted", "proxy", "restart", "-y")
	if again := serial(s.host()); again != first {
		s.Errorf("after a restart the certificate is %s, it was %s", again, first)
	}
	open, err := h.SSH(s.Context(), "find /var/lib/docker/volumes/kamal-proxy-config/_data -mindepth 1 -perm /077; "+
		"find /var/lib/docker/volumes/kamal-proxy-config/_data -path '*admin@example.com*.key'")
	if s.do(err); strings.Count(open, "\n") != 1 || !strings.HasSuffix(strings.TrimSpace(open), ".key") {
		s.Errorf("not for root alone, and the account's key: %q", open)
	}
}
