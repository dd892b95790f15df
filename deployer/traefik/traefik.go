// Package traefik is what Fairlead says to Traefik: how its container runs,
// and the file by which it is told of one service.
//
// Traefik reads one folder (its file provider), and a service is one file in
// it, replaced whole: so a container gets requests from the moment of its
// switch, all of them, and its image needs nothing for that. The engine's
// labels are for what Fairlead does not deploy: accessories, other tools.
//
// Lives here: both texts, and reading them back. Pure. May not live here:
// reaching a host (deployer/route/traefik), what deploy.yml may say
// (deployer/spec/traefik).
package traefik

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	words "github.com/fairlead-deploy/fairlead/deployer/spec/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const (
	// Kind is x-fairlead.proxy of a deploy.yml that keeps Traefik.
	Kind = "traefik"
	// Container is the name that Kamal 1 gives Traefik's container.
	Container = "traefik"
	// DefaultImage is a minor version that is maintained, and that agrees with
	// the engine on the version of its API (Docker 29 refuses what came before
	// v3.6.1: github.com/traefik/traefik/issues/12253). Kamal 1 took v2.10.
	DefaultImage = "traefik:v3.7"
	// Folder is where services' files are, below the ssh user's home.
	Folder = appsConfig + "/.traefik"
	// Port is where Traefik answers Fairlead, on the containers' network alone.
	Port = 8099

	label      = "fairlead.proxy"
	appsConfig = ".kamal/proxy/apps-config"
	appsPath   = "/home/kamal-proxy/.apps-config" // as in the other proxies, so that a route's paths are the same
	inside     = appsPath + "/.traefik"
	entrypoint = "fairlead"
	socket     = "/var/run/docker.sock"
	acmeVolume = "traefik-acme"
	acmePath   = "/acme"
	network    = "kamal"
	resolver   = "fairlead"
)

// Keeps tells that a deploy.yml keeps Traefik as its proxy.
func Keeps(d *spec.Deploy) bool { return d.XFairlead.Proxy.Kind == Kind }

// Ours tells that Fairlead made a container of Traefik, so that it reads the
// folder.
func Ours(c container.Observed) bool { return c.Spec.Labels[label] == Kind }

// Image is the one that a deploy.yml wants.
func Image(d *spec.Deploy) string {
	if d.Traefik.Image == "" {
		return DefaultImage
	}
	return d.Traefik.Image
}

// Spec is Traefik's container as a deploy.yml wants it, without the folder of
// the ssh user's home, which Mounted adds. secrets has the values that
// traefik.env names.
func Spec(d *spec.Deploy, secrets map[string]secret.Value) (container.Spec, error) {
	t, run := d.Traefik, d.Proxy.Run
	s := container.Spec{
		Image: Image(d), Network: network, Restart: container.Restart{Policy: "unless-stopped"},
		Labels: maps.Clone(t.Labels), Env: map[string]secret.Value{}, Log: container.Log{Options: map[string]string{}},
	}
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if run.LogMaxSize != "" {
		s.Log.Options["max-size"] = run.LogMaxSize
	}
	if err := container.ApplyOptions(&s, t.Options); err != nil {
		return s, fmt.Errorf("traefik.options: %w", err)
	}
	s.Labels[label] = Kind
	if slices.ContainsFunc(t.Options["network"], func(n string) bool { return n == "host" || n == "none" || strings.HasPrefix(n, "container:") }) {
		return s, errors.New("traefik.options.network: Traefik has to be in the network kamal, where the containers are; take it away")
	}
	for name, value := range t.Env.Clear {
		s.Env[name] = secret.New(value)
	}
	for _, ref := range t.Env.Secrets {
		v, ok := ref.Literal, true
		if ref.Source != "" {
			v, ok = secrets[ref.Source]
		}
		if !ok {
			return s, fmt.Errorf("traefik.env: secret %s is missing", ref.Source)
		}
		if _, both := s.Env[ref.Name]; !both {
			s.Env[ref.Name] = v
		}
	}
	if err := reserved(d); err != nil {
		return s, err
	}
	a := arguments{list: slices.Clone(t.Args)}
	reads := a.reads()
	a.complete(d)
	if reads && !slices.ContainsFunc(s.Mounts, func(m container.Mount) bool { return m.Target == socket }) {
		s.Mounts = append(s.Mounts, container.Mount{Kind: container.Bind, Source: socket, Target: socket, ReadOnly: true})
	}
	if a.certifies {
		s.Mounts = append(s.Mounts, container.Mount{Kind: container.Volume, Source: acmeVolume, Target: acmePath})
	}
	for _, arg := range a.list {
		s.Cmd = append(s.Cmd, "--"+arg.Name+"="+arg.Value)
	}
	if !t.Unpublished && run.Publish {
		publish(&s, run.BindIPs, or(t.HostPort, run.HTTPPort), 80)
		if a.encrypts {
			publish(&s, run.BindIPs, run.HTTPSPort, 443)
		}
	}
	return s, nil
}

// Mounted adds to a container what it shares with the ssh user's home: the
// services' files and certificates.
func Mounted(s container.Spec, home string) container.Spec {
	s.Mounts = append(slices.Clone(s.Mounts), container.Mount{Kind: container.Bind, Source: path.Join(home, appsConfig), Target: appsPath, ReadOnly: true})
	return s
}

func or(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// publish publishes a port unless the options do.
func publish(s *container.Spec, ips []string, on, port int) {
	if slices.ContainsFunc(s.Ports, func(p container.Port) bool {
		return int(p.Port) == port && p.Protocol != "udp" || int(p.HostPort) == on && p.Protocol != "udp"
	}) {
		return
	}
	if len(ips) == 0 {
		ips = []string{""}
	}
	for _, ip := range ips {
		s.Ports = append(s.Ports, container.Port{HostIP: ip, HostPort: uint16(on), Port: uint16(port), Protocol: "tcp"})
	}
}

// arguments are Traefik's, which are not case-sensitive.
type arguments struct {
	list      []words.Arg
	encrypts  bool // an entrypoint for TLS was added
	certifies bool // a resolver was added, which keeps its certificates
}

func (a *arguments) has(prefix string) bool {
	return slices.ContainsFunc(a.list, func(arg words.Arg) bool {
		name := strings.ToLower(arg.Name)
		return name == prefix || strings.HasPrefix(name, prefix+".")
	})
}

func (a *arguments) add(name, value string) {
	a.list = append(a.list, words.Arg{Name: name, Value: value})
}

// def adds an argument that the file does not have.
func (a *arguments) def(name, value string) {
	if !a.has(strings.ToLower(name)) {
		a.add(name, value)
	}
}

// reads tells whether Traefik reads the engine's labels, as it did under Kamal
// 1 without any word about it.
func (a *arguments) reads() bool {
	return !slices.ContainsFunc(a.list, func(arg words.Arg) bool {
		return strings.EqualFold(arg.Name, "providers.docker") && arg.Value == "false"
	})
}

// complete adds what Fairlead's way needs, what Kamal 1 added, and what the
// routes of the file need and the file does not say.
func (a *arguments) complete(d *spec.Deploy) {
	a.add("entrypoints."+entrypoint+".address", ":"+strconv.Itoa(Port))
	a.add("providers.file.directory", inside)
	a.add("providers.file.watch", "true")
	a.def("providers.providersThrottleDuration", "100ms")
	a.def("log.level", "INFO")
	if a.reads() {
		a.def("providers.docker", "true")
		a.def("providers.docker.network", network)
	} else {
		a.list = slices.DeleteFunc(a.list, func(arg words.Arg) bool { return strings.EqualFold(arg.Name, "providers.docker") })
	}
	if d.Traefik.Image == "" {
		a.def("core.defaultRuleSyntax", "v2") // that of labels written for Kamal 1
	}
	static := read(a.texts(), d.Traefik.Image)
	if len(static.plain) == 0 {
		a.add("entrypoints.http.address", ":80")
	}
	tls, acme := wants(d)
	if tls && len(static.secure) == 0 {
		a.encrypts = true
		a.add("entrypoints.https.address", ":443")
	}
	if acme && static.resolver == "" {
		a.certifies = true
		prefix := "certificatesresolvers." + resolver + ".acme."
		a.add(prefix+"tlschallenge", "true")
		a.add(prefix+"storage", acmePath+"/acme.json")
		if x := d.XFairlead.Proxy; x.ACMEEmail != "" {
			a.add(prefix+"email", x.ACMEEmail)
		}
		if x := d.XFairlead.Proxy; x.ACMEDirectory != "" {
			a.add(prefix+"caserver", x.ACMEDirectory)
		}
	}
}

func (a *arguments) texts() (texts []string) {
	for _, arg := range a.list {
		texts = append(texts, "--"+arg.Name+"="+arg.Value)
	}
	return texts
}

// wants tells whether anything is served by TLS, and by certificates of ACME.
func wants(d *spec.Deploy) (tls, acme bool) {
	look := func(p *spec.Proxy) {
		if p != nil && p.SSL.Enabled {
			tls, acme = true, acme || !p.SSL.Custom()
		}
	}
	for _, r := range d.Roles {
		look(r.Proxy)
	}
	for _, a := range d.Accessories {
		look(a.Proxy)
	}
	return tls, acme
}

// Static is what the arguments of a Traefik that runs mean for services' files.
type Static struct {
	plain, secure []string // entrypoints of HTTP, without TLS and with it
	resolver      string   // of certificates; "" where there is none
	v2            bool     // rules are in the syntax of Traefik 2
	folder        bool     // it reads the folder, and answers Fairlead
}

// Reads tells whether the Traefik reads services' files.
func (s Static) Reads() bool { return s.folder }

// Read reads a container of Traefik.
func Read(c container.Observed) Static { return read(c.Spec.Cmd, c.Spec.Image) }

var (
	addressArg  = regexp.MustCompile(`(?i)^--entrypoints\.([^.=]+)\.address=\S*?:(\d+)(/tcp)?$`)
	resolverArg = regexp.MustCompile(`(?i)^--certificatesresolvers\.([^.=]+)\.`)
	version2    = regexp.MustCompile(`:v?2(\.|-|$)`)
)

// read sorts entrypoints: by their port, else by the names in use.
func read(args []string, image string) Static {
	s := Static{v2: version2.MatchString(image)}
	for _, arg := range args {
		switch m := addressArg.FindStringSubmatch(arg); {
		case m == nil:
		case strings.EqualFold(m[1], entrypoint):
			s.folder = m[2] == strconv.Itoa(Port)
		case m[2] == "443" || m[1] == "websecure" || m[1] == "https":
			s.secure = append(s.secure, m[1])
		case m[2] == "80" || m[1] == "web" || m[1] == "http":
			s.plain = append(s.plain, m[1])
		}
		if m := resolverArg.FindStringSubmatch(arg); m != nil && s.resolver == "" {
			s.resolver = m[1]
		}
		s.v2 = s.v2 || strings.EqualFold(arg, "--core.defaultRuleSyntax=v2")
	}
	return s
}
