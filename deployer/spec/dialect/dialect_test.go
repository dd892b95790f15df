package dialect_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/spec/dialect"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// translated returns the tree as "path=text" lines, and the warnings.
func translated(t *testing.T, src string) (tree, warnings string, err error) {
	t.Helper()
	var report schema.Report
	root := schema.Parse(schema.Source{File: "f", Bytes: []byte(src)}, &report)
	dialect.Translate(root, &report)
	var lines []string
	var walk func(path string, n *schema.Node)
	walk = func(path string, n *schema.Node) {
		switch n.Kind {
		case schema.Map:
			for _, f := range n.Fields {
				walk(schema.Join(path, f.Key), f.Value)
			}
		case schema.List:
			for _, item := range n.Items {
				walk(path+"[]", item)
			}
		default:
			lines = append(lines, path+"="+n.Text)
		}
	}
	walk("", root)
	for _, w := range report.Warnings() {
		warnings += w.String() + "\n"
	}
	return strings.Join(lines, "; "), warnings, report.Err()
}

func TestEachKeyIsTranslatedAndNamed(t *testing.T) {
	for name, c := range map[string]struct{ src, want, warns string }{
		"the post's asset":           {"asset: {path: /a}", "asset_path=/a", "asset: read as asset_path"},
		"asset_path wins over asset": {"asset: {path: /a}\nasset_path: /b", "asset_path=/b", "asset:"},
		"the post's roles over lists": {"servers: {web: [h]}\nroles: {web: {port: 3000}, jobs: {port: false}}",
			"servers.web.proxy.app_port=3000; servers.web.hosts[]=h; servers.jobs.proxy=false", "roles:"},
		"servers win over roles":              {"servers: {web: {hosts: [h], cmd: a}}\nroles: {web: {cmd: b}}", "servers.web.cmd=a; servers.web.hosts[]=h", "roles:"},
		"roles over a bare list":              {"servers: [h]\nroles: {web: {cmd: a}}", "servers.web.cmd=a; servers.web.hosts[]=h", "roles:"},
		"an old stop time":                    {"stop_wait_time: 5", "stop_timeout=5; drain_timeout=5", "stop_wait_time:"},
		"an old primary role":                 {"primary_web_role: a", "primary_role=a", "primary_web_role:"},
		"an ignored folder":                   {"run_directory: x", "", "run_directory: ignored"},
		"a healthcheck with the default port": {"healthcheck: {path: /x}", "proxy.healthcheck.path=/x; proxy.app_port=3000", "healthcheck: has no port"},
		"a healthcheck never beats the proxy's": {"proxy: {app_port: 1, healthcheck: {path: /y}}\nhealthcheck: {path: /x, port: 2}",
			"proxy.app_port=1; proxy.healthcheck.path=/y", "healthcheck:"},
		"a patient healthcheck": {"healthcheck: {port: 1, max_attempts: 10, interval: 5s}", "proxy.app_port=1; proxy.healthcheck.interval=5s; deploy_timeout=50", "healthcheck:"},
		"a role's healthcheck keeps the proxy off": {"servers: {a: {proxy: false, healthcheck: {cmd: x, path: /p}}}",
			"servers.a.proxy=false; x-fairlead.roles.a.health.cmd=x", "servers.a.healthcheck:"},
		"a label with two hosts":             {"labels: {traefik.http.routers.a.rule: 'Host(`a.b`, `c.d`)'}", "proxy.hosts[]=a.b; proxy.hosts[]=c.d", "labels.traefik.http.routers.a.rule:"},
		"a role with traefik: true":          {"servers: {a: {traefik: true, labels: {traefik.http.routers.a.rule: Host(`a`)}}}", "servers.a.proxy.hosts[]=a", "servers.a.traefik: read as proxy"},
		"a role with traefik: false":         {"servers: {a: {traefik: false, labels: {traefik.http.routers.a.rule: Host(`a`)}}}", "servers.a.proxy=false", "ignored: the role has no proxy"},
		"two routers":                        {"labels: {traefik.http.routers.a.rule: Host(`a`), traefik.http.routers.b.rule: Host(`b`) || Host(`a`)}", "proxy.hosts[]=a; proxy.hosts[]=b", "routers.b.rule:"},
		"labels of the author's own Traefik": {"labels: {traefik.enable: true}\nx-fairlead: {proxy: traefik}", "labels.traefik.enable=true; x-fairlead.proxy=traefik", ""},
		"labels in a file for Kamal 2":       {"labels: {traefik.enable: true}\nproxy: {host: a}", "labels.traefik.enable=true; proxy.host=a", ""},
		"other labels stay":                  {"labels: {prometheus.io/port: 1}", "labels.prometheus.io/port=1", ""},
		"an ACME address beside a kind":      {"traefik: {args: {certificatesresolvers.x.acme.email: a@b.c}}\nx-fairlead: {proxy: fairlead}", "x-fairlead.proxy.kind=fairlead; x-fairlead.proxy.acme_email=a@b.c", "acme.email:"},
		"an unusual port":                    {"traefik: {args: {entrypoints.web.address: ':8080'}}", "proxy.run.http_port=8080", "entrypoints.web.address:"},
		"many architectures":                 {"builder: {multiarch: true}", "builder.arch[]=amd64; builder.arch[]=arm64", "builder.multiarch:"},
		"one architecture":                   {"builder: {multiarch: false, local: {arch: arm64}}", "builder.arch[]=arm64", "builder.local:"},
	} {
		tree, warnings, err := translated(t, c.src)
		if err != nil || tree != c.want || !strings.Contains(warnings, c.warns) || c.warns == "" && warnings != "" {
			t.Errorf("%s:\n got %s\nwant %s\nwarnings %s%v", name, tree, c.want, warnings, err)
		}
	}
}

func TestRulesThatAreNoProductOfHostsAndPathsAreRefused(t *testing.T) {
	for _, rule := range []string{"HostRegexp(`.*`)", "Host(`a`) && Headers(`x`, `y`)", "Host(`a`) || PathPrefix(`/x`)",
		"Host(`a`) && PathPrefix(`/x`) || Host(`b`)", "!Host(`a`)", "Host(a)", "", "Host(``)"} {
		_, _, err := translated(t, "labels: {traefik.http.routers.a.rule: '"+rule+"'}")
		if err == nil || !strings.Contains(err.Error(), "can be translated") {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func TestShapesThatDoNotFitAreLeftToTheReader(t *testing.T) {
	for _, src := range []string{"roles: [a]", "roles: {web: [a]}", "servers: x\nroles: {web: {cmd: a}}", "traefik: [x]", "healthcheck: yes",
		"proxy: x\nhealthcheck: {port: 1}", "builder: x", "labels: [traefik.a]", "asset: x", "x-fairlead: [a]\nhealthcheck: {cmd: x}",
		"x-fairlead: {roles: x}\nhealthcheck: {cmd: x}", "accessories: [x]", "proxy: {run: x}\ntraefik: {host_port: 1}", "labels: {traefik.enable: }",
		"proxy:\nlabels: {traefik.http.routers.a.tls: true}", "traefik:", "roles:", "servers:\nroles: {web: }"} {
		_, _, _ = translated(t, src) // it must not panic
	}
}
