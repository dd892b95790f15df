package policy

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// role looks at an app container: the root's volumes, and the role's own.
func (j *judge) role(r *spec.Role) {
	at := "servers." + r.Name
	j.volumes("volumes", j.deploy.Volumes)
	j.logging(at, r.Logging)
	j.options(at+".options", r.Options)
	if r.Proxy != nil {
		j.proxyRun(at+".proxy.run", r.Proxy.Run)
	}
}

func (j *judge) accessory(a *spec.Accessory) {
	at := "accessories." + a.Name
	j.volumes(at+".volumes", a.Volumes)
	j.logging(at, a.Logging)
	j.options(at+".options", a.Options)
	j.needs(at+".network", container.Spec{Network: a.Network})
	if a.Publish != "" {
		ports, err := container.ParsePort(a.Publish)
		if err != nil {
			j.refuse(at+".port", err.Error(), "")
		}
		j.needs(at+".port", container.Spec{Ports: ports})
	}
	for i, m := range a.Directories {
		j.directory(fmt.Sprintf("%s.directories[%d]", at, i), a, m)
	}
	for i, m := range a.Files {
		j.file(fmt.Sprintf("%s.files[%d]", at, i), m)
	}
	if a.Proxy != nil && !reflect.DeepEqual(a.Proxy.Run, j.deploy.Proxy.Run) {
		j.proxyRun(at+".proxy.run", a.Proxy.Run)
	}
}

// directory is one that is made in the accessory's folder in the ssh user's
// home (Kamal 2.12: $HOME/SERVICE-NAME/LOCAL) and mounted; an absolute one is
// the host's. Only a folder right in the accessory's own is its own: in one
// that is deeper, a container may have put a symbolic link in the way.
func (j *judge) directory(at string, a *spec.Accessory, m spec.FileMount) {
	source, own := m.Local, false
	if !path.IsAbs(m.Local) {
		local := path.Clean(m.Local)
		own = strings.HasPrefix(a.Service, j.deploy.Service+"-") && local != "." && local != ".." && !strings.ContainsAny(local, "/:~$")
		source = a.Service + "/" + m.Local
	}
	mount := container.Mount{Kind: container.Bind, Source: source, Target: m.Remote, Mode: m.Options}
	if own {
		mount = container.Mount{Kind: container.Volume, Target: m.Remote, Mode: m.Options}
	}
	j.needs(at, container.Spec{Mounts: []container.Mount{mount}})
}

// file is one of the repository that is put into the accessory's folder, at
// the path that it has in the container, and mounted.
func (j *judge) file(at string, m spec.FileMount) {
	if path.IsAbs(m.Local) || slices.Contains(strings.Split(m.Local, "/"), "..") {
		j.refuse(at, fmt.Sprintf("the file %s, which is not in the repository, is not allowed", m.Local), "write its path from the repository's root")
	}
	if slices.Contains(strings.Split(m.Remote, "/"), "..") {
		j.refuse(at, fmt.Sprintf("the path %s, which leads out of the accessory's folder, is not allowed", m.Remote), "write it without ..")
	}
	j.needs(at, container.Spec{Mounts: []container.Mount{{Kind: container.Volume, Target: m.Remote, Mode: m.Options}}})
}

func (j *judge) volumes(at string, list []string) {
	for i, text := range list {
		path := fmt.Sprintf("%s[%d]", at, i)
		m, err := container.ParseVolume(text)
		if err != nil {
			j.refuse(path, err.Error(), "")
			continue
		}
		j.needs(path, container.Spec{Mounts: []container.Mount{m}})
	}
}

// logging is a role's or accessory's, which may be the root's: then it is not
// written at the part.
func (j *judge) logging(part string, l spec.Logging) {
	at := part + ".logging"
	if j.deploy.Pos(at) == j.deploy.Pos(part) {
		at = "logging"
	}
	j.needs(at, container.Spec{Log: container.Log{Driver: l.Driver, Options: l.Options}})
}

// traefik looks at how Traefik is run, where the file keeps it: its container
// has the engine's socket unless the file says otherwise.
func (j *judge) traefik() {
	if !traefik.Keeps(j.deploy) {
		return
	}
	j.options("traefik.options", j.deploy.Traefik.Options)
	if len(j.policy.Registries) > 0 {
		j.want("traefik.image", imageNeed(traefik.Image(j.deploy)))
	}
	if port := j.deploy.Traefik.HostPort; port != 0 && port != 80 {
		j.needs("traefik.host_port", container.Spec{Ports: []container.Port{{HostPort: uint16(port), Port: 80}}})
	}
	unknown := map[string]secret.Value{} // of which only the names matter here
	for _, ref := range j.deploy.Traefik.Env.Secrets {
		unknown[ref.Source] = secret.Value{}
	}
	s, err := traefik.Spec(j.deploy, unknown)
	if err != nil {
		j.refuse("traefik", err.Error(), "")
	}
	for _, m := range s.Mounts {
		if m.ReadOnly && m.Source == m.Target && m.Kind == container.Bind {
			j.needs("x-fairlead.proxy", container.Spec{Mounts: []container.Mount{m}})
		}
	}
}

// proxyRun looks at how the host's proxy is run.
func (j *judge) proxyRun(at string, r spec.ProxyRun) {
	j.options(at+".options", r.Options)
	for _, port := range []struct {
		key         string
		have, usual int
	}{{"http_port", r.HTTPPort, 80}, {"https_port", r.HTTPSPort, 443}, {"metrics_port", r.MetricsPort, 0}} {
		if port.have != port.usual && r.Publish {
			j.needs(at+"."+port.key, container.Spec{Ports: []container.Port{{HostPort: uint16(port.have), Port: uint16(port.have)}}})
		}
	}
}

// options judges each value of each flag by what it alone makes of a
// container, so that the refusal names it. No two make more than each does.
func (j *judge) options(at string, options map[string][]string) {
	for _, flag := range slices.Sorted(maps.Keys(options)) {
		for i, value := range options[flag] {
			path := at + "." + flag
			if len(options[flag]) > 1 {
				path = fmt.Sprintf("%s[%d]", path, i)
			}
			j.option(path, flag, value)
		}
	}
}

func (j *judge) option(at, flag, value string) {
	var s container.Spec
	if err := container.ApplyOptions(&s, map[string][]string{flag: {value}}); err != nil {
		j.refuse(at, err.Error(), "")
		return
	}
	found := powers(s)
	for _, n := range found {
		j.want(at, n)
	}
	if len(found) == 0 && !j.policy.listed(flag) {
		j.refuse(at, "the option "+flag+" is not on the list", j.policy.line(Policy{Options: []string{flag}}))
	}
}

func (j *judge) needs(at string, s container.Spec) {
	for _, n := range powers(s) {
		j.want(at, n)
	}
}
