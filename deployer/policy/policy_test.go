package policy_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func strict() policy.Policy {
	return policy.Policy{Mode: policy.Strict, Mounts: []string{"/srv/shop"}, Allow: []string{"build", "hooks"}}
}

func TestEveryHostileFileIsRefusedByStrictWithTheKeyNamed(t *testing.T) {
	total := 0
	for group, tricks := range map[string]map[string]trick{"options": hostileOptions(), "files": hostileFiles(), "images": hostileImages()} {
		total += len(tricks)
		p := strict()
		if group == "images" {
			p.Registries = []string{"ghcr.io/acme"}
		}
		for name, tr := range tricks {
			t.Run(group+"/"+name, func(t *testing.T) { tr.tryOut(t, p) })
		}
	}
	if total < 140 {
		t.Errorf("only %d tricks", total)
	}
}

var line = regexp.MustCompile("write `(.*)` at the repository in fairlead.yml$")

// tryOut sees the file refused, the refusal located, and what Kamal's mode says.
func (tr trick) tryOut(t *testing.T, p policy.Policy) {
	d, err := load(t, tr.file)
	if err != nil {
		if !tr.unread || !strings.Contains(err.Error(), tr.key+":") {
			t.Fatalf("%s\nwas not read: %v", tr, err)
		}
		return
	}
	errs, _ := errors.AsType[spec.Errors](policy.Check(d, p))
	i := slices.IndexFunc(errs, func(e *spec.Error) bool { return e.Path == tr.key })
	if i < 0 {
		t.Fatalf("%s\nwas not refused there: %v", tr, errs)
	}
	if e := errs[i]; e.Line == 0 || e.Column == 0 || e.File != "config/deploy.yml" || e.Message == "" {
		t.Errorf("%s\nis refused without its place: %+v", tr, e)
	}
	tr.kamal(t, d)
	if !tr.unread || tr.lift != "" {
		tr.liftBy(t, d, p)
	}
}

func (tr trick) kamal(t *testing.T, d *spec.Deploy) {
	t.Helper()
	for _, mode := range []policy.Mode{"", policy.Kamal} {
		err := policy.Check(d, policy.Policy{Mode: mode})
		if tr.lift == "commands" || tr.lift == "proxy_command" {
			if err == nil {
				t.Errorf("%s\nneeds allow: [%s] in every mode", tr, tr.lift)
			}
		} else if err != nil {
			t.Errorf("%s\nis not refused by Kamal: %v", tr, err)
		}
	}
}

// liftBy follows the advice of the refusals until the file is let be, and sees
// that this took just what it should.
func (tr trick) liftBy(t *testing.T, d *spec.Deploy, p policy.Policy) {
	t.Helper()
	given := map[string]bool{}
	before := p
	for range 4 {
		errs, _ := errors.AsType[spec.Errors](policy.Check(d, p))
		if len(errs) == 0 {
			break
		}
		m := line.FindStringSubmatch(errs[0].Hint)
		if m == nil {
			if tr.lift != "" {
				t.Fatalf("%s\nthe refusal names no line: %v", tr, errs)
			}
			return
		}
		p = grant(t, p, m[1])
	}
	if err := policy.Check(d, p); err != nil {
		t.Fatalf("%s\nis refused although all advice was followed: %v", tr, err)
	}
	for _, word := range p.Allow {
		given[word] = !slices.Contains(before.Allow, word)
	}
	given["mounts:"] = len(p.Mounts) > len(before.Mounts)
	given["options:"] = len(p.Options) > len(before.Options)
	given["registries:"] = len(p.Registries) > len(before.Registries)
	maps.DeleteFunc(given, func(_ string, yes bool) bool { return !yes })
	if got := strings.Join(slices.Sorted(maps.Keys(given)), " "); got != tr.lift {
		t.Errorf("%s\nis lifted by %q; want %q", tr, got, tr.lift)
	}
}

func TestAllThatIsRefusedComesAtOnceInTheFilesOrder(t *testing.T) {
	d, err := load(t, `service: shop
image: acme/shop
servers:
  web:
    hosts: [h1, h2]
    options:
      memory: 1g
      privileged: true
      sysctl: net.core.somaxconn=1024
      cap-add: [CHOWN, SYS_ADMIN]
  jobs: [h1]
volumes:
  - data:/data
  - /etc:/etc
  - /var/run/docker.sock:/d
accessories:
  db:
    image: postgres:17
    host: h2
    port: 80:80
`)
	if err != nil {
		t.Fatal(err)
	}
	p := strict()
	p.Registries = []string{"docker.io/acme"}
	got := policy.Check(d, p).Error()
	at := func(policy string) string {
		return "(to allow it, write `" + policy + "` at the repository in fairlead.yml)"
	}
	want := strings.Join([]string{
		"config/deploy.yml:8:19: servers.web.options.privileged: a privileged container is not allowed " + at("allow: [build, hooks, privileged]"),
		"config/deploy.yml:9:15: servers.web.options.sysctl: the kernel parameter net.core.somaxconn is not allowed " +
			at("policy: { mode: strict, mounts: [/srv/shop], options: [harmless, sysctl], registries: [docker.io/acme] }"),
		"config/deploy.yml:10:24: servers.web.options.cap-add[1]: the capability SYS_ADMIN is not allowed " + at("allow: [build, hooks, privileged]"),
		"config/deploy.yml:14:5: volumes[1]: the host's /etc is not allowed " +
			at("policy: { mode: strict, mounts: [/srv/shop, /etc], registries: [docker.io/acme] }"),
		"config/deploy.yml:15:5: volumes[2]: the socket /run/docker.sock, which commands the host, is not allowed " + at("allow: [build, hooks, socket]"),
		"config/deploy.yml:18:12: accessories.db.image: the image docker.io/library/postgres is not allowed " +
			at("policy: { mode: strict, mounts: [/srv/shop], registries: [docker.io/acme, docker.io/library/postgres] }"),
		"config/deploy.yml:20:11: accessories.db.port: the host's port 80 is not allowed " + at("allow: [build, hooks, host]"),
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAnHonestFileIsLetBeByStrict(t *testing.T) {
	jobs := func(options string) string {
		return "service: shop\nimage: acme/shop\nservers: {web: [h1], jobs: {hosts: [h1], options: {" + options + "}}}"
	}
	for name, text := range map[string]string{
		"the smallest":       root(""),
		"volumes":            root("volumes: ['shop_storage:/rails/storage', '/srv/shop/uploads:/uploads:ro', '/srv/shop:/all', '/srv//shop/./a:/b']"),
		"limits":             option("memory: 512m\n      cpus: 1.5\n      pids-limit: 200\n      ulimit: [nofile=1024]\n      shm-size: 64m"),
		"less than usual":    option("cap-drop: ALL\n      cap-add: [NET_BIND_SERVICE, cap_chown]\n      security-opt: no-new-privileges\n      read-only: true\n      tmpfs: /tmp"),
		"nothing of it":      option("privileged: false\n      ipc: private\n      cgroupns: private\n      network: internal"),
		"a high port":        jobs("publish: ['9090:9090', '127.0.0.1::80', '80']"),
		"a volume by mount":  option("mount: ['type=volume,source=data,target=/data', 'type=tmpfs,target=/tmp,tmpfs-size=64m', 'type=bind,source=/srv/shop/x,target=/x,readonly']"),
		"an own folder":      accessory("directories: ['data:/var/lib/postgresql/data', 'logs:/logs:ro']"),
		"files":              accessory("files: ['config/my.cnf:/etc/mysql/my.cnf', 'db/init.sql:/docker-entrypoint-initdb.d/setup.sql:ro']"),
		"an accessory":       accessory("port: '127.0.0.1:5432:5432'\n    volumes: ['pg:/var/lib/postgresql/data']\n    options: {memory: 1g, health-cmd: pg_isready}"),
		"logs on the host":   root("logging: {driver: local, options: {max-size: 100m, max-file: 3}}"),
		"the proxy":          root("proxy: {host: shop.example.com, app_port: 3000, run: {bind_ips: [10.0.0.1], options: {memory: 256m}}}"),
		"a proxy on a port":  root("proxy: {run: {http_port: 8080, https_port: 8443}}"),
		"a name in network":  root("proxy: {run: {http_port: 25, publish: false}}"),
		"a jump host":        root("ssh: {user: deploy, proxy: bastion.example.com}"),
		"labels of your own": option("label: [traefik.enable=true, team=shop]\n      add-host: 'db:10.0.0.9'"),
	} {
		d, err := load(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := policy.Check(d, strict()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAWrittenListOfOptionsIsTheWholeList(t *testing.T) {
	p := policy.Policy{Mode: policy.Strict, Mounts: []string{"/srv/shop"}, Options: []string{"memory", "cpus"}}
	for text, allowed := range map[string]bool{
		"memory: 1g":                true,
		"cpus: 2":                   true,
		"ulimit: nofile=10":         false,
		"volume: '/srv/shop/a:/a'":  true, // granted by the list of mounts
		"volume: 'data:/a'":         false,
		"privileged: false":         false,
		"memory: 1g\n      init:":   false,
		"cpus: 2\n      memory: 1g": true,
	} {
		d, err := load(t, option(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := policy.Check(d, p); (err == nil) != allowed {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOnlyListedRegistriesAreAllowed(t *testing.T) {
	p := strict()
	p.Registries = []string{"ghcr.io/acme", "docker.io/library", "localhost:5000", "registry.example.com/a/b"}
	for image, allowed := range map[string]bool{
		"ghcr.io/acme/shop:1": true, "ghcr.io/acme": true, "postgres": true, "docker.io/postgres:17": true, "index.docker.io/library/redis": true,
		"localhost:5000/x": true, "registry.example.com/a/b/c": true, "registry.example.com/a/bc": false, "registry.example.com/a": false,
		"acme/postgres": false, "localhost:5001/x": false, "localhost/x": false, "quay.io/library/postgres": false,
	} {
		d, err := load(t, "service: shop\nimage: ghcr.io/acme/shop\nservers: [h1]\naccessories: {a: {image: '"+image+"', host: h1}}")
		if err != nil {
			t.Errorf("%s: %v", image, err)
			continue
		}
		if err := policy.Check(d, p); (err == nil) != allowed {
			t.Errorf("%s: %v", image, err)
		}
	}
}

func TestADestinationsFileIsJudgedAndNamed(t *testing.T) {
	d := loadDestination(t, root("volumes: ['data:/data']"), "servers:\n  web:\n    hosts: [h9]\n    options: {pid: host}\n")
	errs, _ := errors.AsType[spec.Errors](policy.Check(d, strict()))
	if len(errs) != 1 || errs[0].File != "config/deploy.production.yml" || errs[0].Line != 4 {
		t.Errorf("%v", errs)
	}
}
