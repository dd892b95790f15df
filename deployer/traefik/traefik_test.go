package traefik_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// load reads a deploy.yml that keeps Traefik.
func load(t *testing.T, more string) *spec.Deploy {
	t.Helper()
	if !strings.Contains(more, "x-fairlead:") {
		more += "\nx-fairlead: {proxy: traefik}"
	}
	if !strings.Contains(more, "servers:") {
		more += "\nservers: {web: [a]}"
	}
	d, _, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\n" + more)}}, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The arguments that are Fairlead's in each file.
const always = `--entrypoints.fairlead.address=:8099
--providers.file.directory=/home/kamal-proxy/.apps-config/.traefik
--providers.file.watch=true
--providers.providersThrottleDuration=100ms
--log.level=INFO
--providers.docker=true
--providers.docker.network=kamal
`

func TestTheContainerHasWhatTheBlockSaysAndWhatItsRoutesNeed(t *testing.T) {
	for name, c := range map[string]struct{ yaml, image, args, mounts, ports string }{
		"nothing is said": {"", "traefik:v3.7", always + "--core.defaultRuleSyntax=v2\n--entrypoints.http.address=:80\n", "/var/run/docker.sock", "80:80"},
		"the production file of the post": {
			"traefik:\n  options:\n    publish: ['443:443']\n    volume: ['/letsencrypt/acme.json:/letsencrypt/acme.json']\n" +
				"  args:\n    entrypoints.websecure.address: ':443'\n    certificatesresolvers.letsencrypt.acme.tlschallenge: true\n" +
				"    certificatesresolvers.letsencrypt.acme.email: admin@myorg.com\n    certificatesresolvers.letsencrypt.acme.storage: /letsencrypt/acme.json\n" +
				"proxy: {host: shop.example.com, ssl: true}",
			"traefik:v3.7", "--entrypoints.websecure.address=:443\n--certificatesresolvers.letsencrypt.acme.tlschallenge=true\n" +
				"--certificatesresolvers.letsencrypt.acme.email=admin@myorg.com\n--certificatesresolvers.letsencrypt.acme.storage=/letsencrypt/acme.json\n" +
				always + "--core.defaultRuleSyntax=v2\n--entrypoints.http.address=:80\n",
			"/letsencrypt/acme.json /var/run/docker.sock", "443:443 80:80",
		},
		"its own image, port and labels off": {
			"traefik: {image: 'acme/traefik:v2.9', host_port: 8080, args: {providers.docker: false, log.level: DEBUG, entryPoints.web.address: ':80', accesslog: , entrypoints.web.forwardedheaders.trustedips: [10.0.0.1, 10.0.0.2]}}",
			"acme/traefik:v2.9", "--log.level=DEBUG\n--entryPoints.web.address=:80\n--accesslog=true\n--entrypoints.web.forwardedheaders.trustedips=10.0.0.1\n--entrypoints.web.forwardedheaders.trustedips=10.0.0.2\n" +
				strings.NewReplacer("--log.level=INFO\n", "", "--providers.docker=true\n--providers.docker.network=kamal\n", "").Replace(always), "", "8080:80",
		},
		"certificates without a resolver": {
			"proxy: {host: shop.example.com, ssl: true}\ntraefik: {image: 'traefik:v3.6'}\nx-fairlead: {proxy: {kind: traefik, acme_email: a@b.example, acme_directory: 'https://ca.example.com/dir'}}",
			"traefik:v3.6", always + "--entrypoints.http.address=:80\n--entrypoints.https.address=:443\n--certificatesresolvers.fairlead.acme.tlschallenge=true\n" +
				"--certificatesresolvers.fairlead.acme.storage=/acme/acme.json\n--certificatesresolvers.fairlead.acme.email=a@b.example\n--certificatesresolvers.fairlead.acme.caserver=https://ca.example.com/dir\n",
			"/var/run/docker.sock /acme", "80:80 443:443",
		},
		"not published": {"traefik: {publish: false, image: 'traefik:v3.6'}", "traefik:v3.6", always + "--entrypoints.http.address=:80\n", "/var/run/docker.sock", ""},
	} {
		s, err := traefik.Spec(load(t, c.yaml), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var mounts, ports []string
		for _, m := range s.Mounts {
			mounts = append(mounts, m.Target)
		}
		for _, p := range s.Ports {
			b, _ := json.Marshal([]uint16{p.HostPort, p.Port})
			ports = append(ports, strings.NewReplacer("[", "", "]", "", ",", ":").Replace(string(b)))
		}
		if got := strings.Join(s.Cmd, "\n") + "\n"; got != c.args {
			t.Errorf("%s: the arguments are\n%swant\n%s", name, got, c.args)
		}
		if got := strings.Join(mounts, " "); got != c.mounts || strings.Join(ports, " ") != c.ports || s.Image != c.image {
			t.Errorf("%s: %s, mounts %q, ports %q", name, s.Image, got, ports)
		}
		if !traefik.Ours(container.Observed{Spec: s}) || !traefik.Read(container.Observed{Spec: s}).Reads() || s.Network != "kamal" {
			t.Errorf("%s: it is not known again: %+v", name, s.Labels)
		}
	}
}

func TestTheContainersOptionsEnvAndFolder(t *testing.T) {
	d := load(t, "traefik: {options: {memory: 200m, network: kamal}, labels: {tier: edge}, env: {clear: {TZ: UTC}, secret: [TOKEN]}}\n")
	if _, err := traefik.Spec(d, nil); err == nil || !strings.Contains(err.Error(), "secret TOKEN is missing") {
		t.Errorf("without its secret: %v", err)
	}
	if !slices.Contains(d.SecretNames(), "TOKEN") {
		t.Errorf("the file needs %v", d.SecretNames())
	}
	s, err := traefik.Spec(d, map[string]secret.Value{"TOKEN": secret.New("t")})
	if err != nil || s.Env["TOKEN"].Reveal() != "t" || s.Env["TZ"].Reveal() != "UTC" || s.Labels["tier"] != "edge" || s.Resources.Memory != 200<<20 {
		t.Errorf("%+v, %v", s, err)
	}
	m := traefik.Mounted(s, "/home/deploy").Mounts
	if last := m[len(m)-1]; last.Source != "/home/deploy/.kamal/proxy/apps-config" || !last.ReadOnly {
		t.Errorf("it reads %+v", last)
	}
	if _, err := traefik.Spec(load(t, "traefik: {options: {network: host}}"), nil); err == nil || !strings.Contains(err.Error(), "has to be in the network kamal") {
		t.Errorf("in the host's network: %v", err)
	}
}

func a(change func(*traefik.Assigned)) *traefik.Assigned {
	one := &traefik.Assigned{Containers: []string{"0123456789abcdef0123"}, Route: option.Route{
		Service: "shop-web", Port: 3000, Hosts: []string{"shop.example.com"}, HealthPath: "/up", HealthInterval: time.Second, HealthTimeout: 5 * time.Second, ResponseTimeout: 30 * time.Second,
	}}
	change(one)
	return one
}

// said is the file's configuration as YAML reads it, flat: path=value.
func said(t *testing.T, s traefik.Service, args ...string) map[string]string {
	t.Helper()
	text, err := traefik.Write(s, traefik.Read(container.Observed{Spec: container.Spec{Cmd: args, Image: "traefik:v3.7"}}))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := traefik.Parse(text); err != nil || again.Live != nil && again.Live.Digest() != s.Live.Digest() {
		t.Errorf("read back: %+v, %v", again, err)
	}
	if strings.Contains(string(text), "{{") {
		t.Errorf("Traefik would take it for a template:\n%s", text)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	flat := map[string]string{}
	flatten("", tree, flat)
	return flat
}

func flatten(at string, v any, to map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			flatten(strings.TrimPrefix(at+"."+key, "."), value, to)
		}
		if len(v) == 0 {
			to[at] = "{}"
		}
	default:
		b, _ := json.Marshal(v)
		to[at] = strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(string(b))
	}
}

const (
	web    = "--entrypoints.web.address=:80"
	secure = "--entrypoints.websecure.address=:443"
	le     = "--certificatesresolvers.le.acme.email=a@b.c"
)

// The names are those of Traefik's documentation: reference of the file provider
// and of labels, v2.11 and v3.
func TestARouteBecomesTraefiksRoutersServicesAndMiddlewares(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*traefik.Assigned)
		args   []string
		want   map[string]string
	}{
		"a host": {func(*traefik.Assigned) {}, []string{web, secure}, map[string]string{
			"http.routers.shop-web.rule": "\"Host(`shop.example.com`)\"", "http.routers.shop-web.entryPoints": `["web"]`, "http.routers.shop-web.service": `"shop-web"`,
			"http.routers.shop-web.priority": "", "http.routers.shop-web.tls": "",
			"http.services.shop-web.loadBalancer.servers":                              `[{"url":"http://0123456789ab:3000"}]`,
			"http.services.shop-web.loadBalancer.healthCheck.path":                     "",
			"http.services.shop-web.loadBalancer.serversTransport":                     `"shop-web"`,
			"http.serversTransports.shop-web.forwardingTimeouts.responseHeaderTimeout": `"30s"`,
			"http.routers.shop-web.fairlead.live.entryPoints":                          `["fairlead"]`, "http.routers.shop-web.fairlead.live.priority": "2147482647",
			"http.middlewares.shop-web.fairlead.live.headers.customResponseHeaders." + traefik.Marker: `"` + a(func(*traefik.Assigned) {}).Digest() + `"`,
		}},
		"all hosts": {func(a *traefik.Assigned) { a.Route.Hosts = nil }, []string{web}, map[string]string{
			"http.routers.shop-web.rule": "\"PathPrefix(`/`)\"", "http.routers.shop-web.priority": "2",
		}},
		"a wildcard, paths and three containers": {func(a *traefik.Assigned) {
			a.Route.Hosts, a.Route.PathPrefixes, a.Route.StripPrefix = []string{"a.example.com", "*.b.example.com"}, []string{"/api", "/v2"}, true
			a.Containers = append(a.Containers, "fedcba9876543210", "abc")
		}, []string{web}, map[string]string{
			"http.routers.shop-web.rule":                                    "\"(Host(`a.example.com`)) && (PathPrefix(`/api`) || PathPrefix(`/v2`))\"",
			"http.routers.shop-web.fairlead.wildcard.rule":                  "\"(HostRegexp(`^[^.]+\\\\.b\\\\.example\\\\.com$`)) && (PathPrefix(`/api`) || PathPrefix(`/v2`))\"",
			"http.routers.shop-web.fairlead.wildcard.priority":              "8",
			"http.routers.shop-web.middlewares":                             `["shop-web.fairlead.strip"]`,
			"http.middlewares.shop-web.fairlead.strip.stripPrefix.prefixes": `["/api","/v2"]`,
			"http.services.shop-web.loadBalancer.servers":                   `[{"url":"http://0123456789ab:3000"},{"url":"http://fedcba987654:3000"},{"url":"http://abc:3000"}]`,
			"http.services.shop-web.loadBalancer.healthCheck.path":          `"/up"`,
			"http.services.shop-web.loadBalancer.healthCheck.interval":      `"1s"`,
		}},
		"a wildcard in the syntax of Traefik 2": {func(a *traefik.Assigned) { a.Route.Hosts = []string{"*.b.example.com"} }, []string{web, "--core.defaultRuleSyntax=v2"}, map[string]string{
			"http.routers.shop-web.rule": "\"HostRegexp(`{label:[^.]+}.b.example.com`)\"",
		}},
		"TLS by ACME, http redirected": {func(a *traefik.Assigned) { a.Route.TLS, a.Route.TLSRedirect = true, true }, []string{web, secure, le}, map[string]string{
			"http.routers.shop-web.entryPoints": `["websecure"]`, "http.routers.shop-web.tls.certResolver": `"le"`, "http.routers.shop-web.middlewares": "",
			"http.routers.shop-web.fairlead.http.entryPoints": `["web"]`, "http.routers.shop-web.fairlead.http.middlewares": `["shop-web.fairlead.https"]`,
			"http.middlewares.shop-web.fairlead.https.redirectScheme.scheme": `"https"`,
		}},
		"its own certificate": {func(a *traefik.Assigned) {
			a.Route.TLS, a.Route.TLSCert, a.Route.TLSKey = true, "/c/cert.pem", "/c/key.pem"
		}, []string{web, secure, le}, map[string]string{
			"tls.certificates": `[{"certFile":"/c/cert.pem","keyFile":"/c/key.pem"}]`, "http.routers.shop-web.tls": "{}", "http.routers.shop-web.tls.certResolver": "",
			"http.routers.shop-web.fairlead.http.middlewares": "",
		}},
		"large bodies": {func(a *traefik.Assigned) { a.Route.MaxRequestBody, a.Route.BufferMemory = 1000, 10 }, []string{web}, map[string]string{
			"http.middlewares.shop-web.fairlead.buffering.buffering.maxRequestBodyBytes": "1000", "http.middlewares.shop-web.fairlead.buffering.buffering.memRequestBodyBytes": "10",
			"http.middlewares.shop-web.fairlead.buffering.buffering.maxResponseBodyBytes": "",
		}},
	} {
		got := said(t, traefik.Service{Live: a(c.change)}, c.args...)
		for key, want := range c.want {
			if got[key] != want {
				t.Errorf("%s: %s is %s, want %s", name, key, got[key], want)
			}
		}
	}
	next := said(t, traefik.Service{Live: a(func(*traefik.Assigned) {}), Next: a(func(a *traefik.Assigned) { a.Containers = []string{"new"} })}, web)
	if next["http.services.shop-web.loadBalancer.servers"] != `[{"url":"http://0123456789ab:3000"}]` || next["http.services.shop-web.fairlead.next.loadBalancer.servers"] != `[{"url":"http://new:3000"}]` ||
		next["http.routers.shop-web.fairlead.next.entryPoints"] != `["fairlead"]` || next["http.services.shop-web.fairlead.next.loadBalancer.passHostHeader"] != "false" {
		t.Errorf("a container that is only asked: %v", next)
	}
	for key, value := range next {
		router, ok := strings.CutSuffix(key, ".service")
		if ok && value == `"shop-web.fairlead.next"` && next[router+".entryPoints"] != `["fairlead"]` {
			t.Errorf("it gets requests by %s", key)
		}
	}
}

func TestLabelsOfTheContainerGoBeforeTheRoute(t *testing.T) {
	labels := func(more map[string]string) func(*traefik.Assigned) {
		return func(a *traefik.Assigned) { a.Labels = traefik.Labels(more) }
	}
	for name, c := range map[string]struct{ labels, want map[string]string }{
		"those of the post": {
			map[string]string{"traefik.http.routers.myapp.rule": "Host(`myapp.com`)", "traefik.http.routers.myapp.tls.certresolver": "letsencrypt", "tier": "x"},
			map[string]string{"http.routers.shop-web.myapp.rule": "\"Host(`myapp.com`)\"", "http.routers.shop-web.myapp.tls.certResolver": `"letsencrypt"`, "http.routers.shop-web.myapp.service": `"shop-web"`},
		},
		"over the role's own router": {
			map[string]string{"traefik.http.routers.shop-web.rule": "Path(`/x`)", "traefik.http.routers.shop-web.priority": "7", "traefik.http.routers.shop-web.entrypoints": "web, other", "traefik.http.routers.shop-web.tls": "true"},
			map[string]string{"http.routers.shop-web.rule": "\"Path(`/x`)\"", "http.routers.shop-web.priority": "7", "http.routers.shop-web.entryPoints": `["web","other"]`, "http.routers.shop-web.tls": "{}"},
		},
		"middlewares in any case": {
			map[string]string{
				"traefik.http.middlewares.auth.basicauth.users": "a:b,c:d", "traefik.http.middlewares.zip.compress": "true",
				"traefik.http.middlewares.mark.headers.customresponseheaders.X-Edge": "true", "traefik.http.middlewares.limit.ratelimit.average": "100",
				"traefik.http.middlewares.open.ipallowlist.ipstrategy.excludedips": "10.0.0.1", "traefik.http.routers.r.tls.domains[0].sans": "a.com,b.com",
			},
			map[string]string{
				"http.middlewares.shop-web.auth.basicAuth.users": `["a:b","c:d"]`, "http.middlewares.shop-web.zip.compress": "{}",
				"http.middlewares.shop-web.mark.headers.customResponseHeaders.X-Edge": `"true"`, "http.middlewares.shop-web.limit.rateLimit.average": "100",
				"http.middlewares.shop-web.open.ipAllowList.ipStrategy.excludedIPs": `["10.0.0.1"]`, "http.routers.shop-web.r.tls.domains": `[{"sans":["a.com","b.com"]}]`,
				"http.routers.shop-web.r.rule": "\"PathPrefix(`/`)\"", "http.routers.shop-web.r.priority": "2",
			},
		},
		"a service of its own": {
			map[string]string{"traefik.http.services.app.loadbalancer.server.port": "9000", "traefik.http.services.app.loadbalancer.sticky.cookie.name": "s", "traefik.http.routers.r.rule": "Host(`r`)"},
			map[string]string{"http.services.shop-web.app.loadBalancer.servers": `[{"url":"http://0123456789ab:9000"}]`, "http.services.shop-web.app.loadBalancer.sticky.cookie.name": `"s"`,
				"http.routers.shop-web.r.service": `"shop-web.app"`, "http.services.shop-web.loadBalancer.servers": `[{"url":"http://0123456789ab:3000"}]`},
		},
		"what Traefik would run as a template": {
			map[string]string{"traefik.http.routers.r.rule": "Host(`{{ env \"HOME\" }}`)"},
			map[string]string{"http.routers.shop-web.r.rule": "\"Host(`{{ env \\\"HOME\\\" }}`)\""},
		},
		"what is not passed on": {
			map[string]string{"traefik.enable": "true", "traefik.tcp.routers.r.rule": "HostSNI(`*`)", "traefik.docker.network": "x"},
			map[string]string{"http.routers.shop-web.rule": "\"Host(`shop.example.com`)\"", "http.routers.shop-web.r.rule": ""},
		},
	} {
		got := said(t, traefik.Service{Live: a(labels(c.labels))}, web)
		for key, want := range c.want {
			if got[key] != want {
				t.Errorf("%s: %s is %s, want %s", name, key, got[key], want)
			}
		}
	}
}

func TestAFileIsReadBackAsItWasWrittenOrNotAtAll(t *testing.T) {
	for _, text := range []string{"", "http: {}", "# Fairlead writes this file at each switch, and reads the next line back.\n# {}x",
		"# Fairlead writes this file at each switch, and reads the next line back.\n# {\"live\":{\"route\":{\"service\":\"../x\"},\"containers\":[\"a\"]}}\n",
		"# Fairlead writes this file at each switch, and reads the next line back.\n# {\"live\":{\"route\":{\"service\":\"x\"},\"containers\":[\"a b\"]}}\n"} {
		if s, err := traefik.Parse([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
	for _, name := range []string{"../x", "", "a/b", "-a"} {
		if at, err := traefik.Path(name); err == nil {
			t.Errorf("%q would be %s", name, at)
		}
	}
	for file, want := range map[string]bool{"shop-web.yml": true, ".shop-web.yml.abc": false, ".yml": false, "x.toml": false} {
		if _, ok := traefik.NameOf(file); ok != want {
			t.Errorf("%s is a service's: %t", file, ok)
		}
	}
}

func FuzzLabelsAndFiles(f *testing.F) {
	f.Add("traefik.http.routers.a.tls.domains[0].main", "x", "traefik.http.routers.a.tls.domains", "y,z")
	f.Add("traefik.http.services.a.loadBalancer.servers", "x", "traefik.http.services.a.loadbalancer.server.port", "1")
	f.Add("traefik.http.middlewares.a.b", "1", "traefik.http.middlewares.a.b.c", "{{ 1 }}")
	f.Fuzz(func(t *testing.T, key, value, other, more string) {
		one := a(func(a *traefik.Assigned) { a.Labels = traefik.Labels(map[string]string{key: value, other: more}) })
		text, err := traefik.Write(traefik.Service{Live: one, Next: one}, traefik.Static{})
		if err != nil {
			t.Skip()
		}
		if strings.Contains(string(text), "{{") {
			t.Errorf("a template: %s", text)
		}
		if _, err := traefik.Parse(text); err != nil {
			t.Errorf("not read back: %v", err)
		}
		_, _ = traefik.Parse([]byte(value))
	})
}
