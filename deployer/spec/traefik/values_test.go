package traefik_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func load(more string) ([]spec.Warning, error) {
	_, warnings, err := spec.Load(fstest.MapFS{"deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\nx-fairlead: {proxy: traefik}\n" + more + "\n")}}, spec.Options{})
	return warnings, err
}

func TestALabelThatTraefikCannotDecodeIsRefusedAtItsPlace(t *testing.T) {
	const why, servers = " here, and would take up no change of any service", "\nservers: [a]"
	for yaml, want := range map[string]string{
		"labels: {traefik.http.middlewares.m.ratelimit.average: many}" + servers:                          `deploy.yml:4:10: labels.traefik.http.middlewares.m.ratelimit.average: Traefik cannot read "many"` + why + ` (a whole number)`,
		"labels: {Traefik.HTTP.Middlewares.m.RateLimit.Period: 1 minute}" + servers:                       `deploy.yml:4:10: labels.Traefik.HTTP.Middlewares.m.RateLimit.Period: Traefik cannot read "1 minute"` + why + ` (a duration such as 10s)`,
		"labels: {traefik.http.routers.r.priority: high}" + servers:                                       `deploy.yml:4:10: labels.traefik.http.routers.r.priority: Traefik cannot read "high"` + why + ` (a whole number)`,
		"labels: {traefik.http.routers.r.tls: 'yes'}" + servers:                                           `deploy.yml:4:10: labels.traefik.http.routers.r.tls: Traefik cannot read "yes"` + why + ` (true or false)`,
		"servers: {web: {hosts: [a], labels: {traefik.http.services.s.loadbalancer.server.port: x}}}":     `deploy.yml:4:38: servers.web.labels.traefik.http.services.s.loadbalancer.server.port: Traefik cannot read "x"` + why + ` (a port such as 3000)`,
		"servers: {web: {hosts: [a], options: {label: traefik.http.middlewares.m.headers.stsseconds=a}}}": `deploy.yml:4:46: servers.web.options.label: Traefik cannot read "a"` + why + ` (a whole number)`,
	} {
		_, err := load(yaml)
		if err == nil || err.Error() != want {
			t.Errorf("%s\n got %v\nwant %s", yaml, err, want)
		}
	}
}

// As the documentation has them, one by one: 42 for numbers, true, foobar, 42s.
func TestLabelsAsTraefiksDocumentationHasThemAreTaken(t *testing.T) {
	labels := strings.Fields(`routers.r.entrypoints=web,websecure routers.r.priority=42 routers.r.rule=Host(a) routers.r.tls=true routers.r.tls.certresolver=le
		routers.r.tls.domains[0].main=a.example routers.r.tls.domains[1].sans=b.example routers.r.observability.accesslogs=false
		services.s.loadbalancer.healthcheck.interval=42s services.s.loadbalancer.healthcheck.timeout=42 services.s.loadbalancer.healthcheck.headers.name0=x
		services.s.loadbalancer.passhostheader=TRUE services.s.loadbalancer.sticky.cookie=true services.s.loadbalancer.sticky.cookie.maxage=42
		services.s.loadbalancer.server.port=8080 services.s.loadbalancer.server.scheme=h2c middlewares.m.compress=true middlewares.m.compress.minresponsebodybytes=1024
		middlewares.m.basicauth.users=a:$apr1$x middlewares.m.headers.customrequestheaders.X-A-B=1 middlewares.m.headers.stsSeconds=315360000
		middlewares.m.ratelimit.period=1m30s middlewares.m.ratelimit.sourcecriterion.ipstrategy.depth=2 middlewares.m.redirectscheme.port=8443
		middlewares.m.retry.attempts=4 middlewares.m.retry.initialinterval=100ms middlewares.m.inflightreq.amount=10 middlewares.m.errors.status=500-599
		middlewares.m.ipallowlist.sourcerange=10.0.0.0/8 middlewares.m.stripprefix.prefixes=/a,/b middlewares.m.plugin.any.thing=x
		middlewares.m.passtlsclientcert.info.subject.commonname=true middlewares.m.errors.statusrewrites.500=200 middlewares.m.contenttype=true`)
	yaml := "servers: {web: {hosts: [a], labels: {"
	for _, l := range labels {
		option, value, _ := strings.Cut(l, "=")
		yaml += `"traefik.http.` + option + `": "` + value + `", `
	}
	if warnings, err := load(yaml + "}}}"); err != nil || len(warnings) > 0 {
		t.Errorf("%v, %v", warnings, err)
	}
}

func TestALabelThatTraefiksDocumentationHasNotIsAWarning(t *testing.T) {
	for _, label := range []string{"traefik.http.routers.r.rul", "traefik.http.middlewares.m.ratelimt.average", "traefik.http.middlewares.m.headers.x"} {
		warnings, err := load("servers: [a]\nlabels: {" + label + ": x}")
		if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "labels."+label+": Traefik's documentation has no such label") {
			t.Errorf("%s: %v, %v", label, warnings, err)
		}
	}
}

func TestNoOptionsLabelSaysWhenAContainerGetsRequests(t *testing.T) {
	warnings, err := load("servers: {web: {hosts: [a], options: {label: [traefik.enable=true, team=shop]}}}")
	var all spec.Errors
	if errors.As(err, &all) || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "servers.web.options.label[0]: not used: Fairlead tells Traefik when a container gets requests") {
		t.Errorf("%v, %v", warnings, err)
	}
}
