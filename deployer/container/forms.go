package container

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The functions here give each kind of option one form, for comparison.

// mounts maps a path in the container to what is there.
func mounts(all []Mount) map[string]string {
	m := map[string]string{}
	for _, mount := range all {
		text := string(mount.Kind) + " " + mount.Source
		if mount.Kind == Bind {
			text = string(Bind) + " " + path.Clean(mount.Source)
		}
		if mount.ReadOnly {
			text += " read-only"
		}
		if mode := mountMode(mount.Mode); mode != "" {
			text += " " + mode
		}
		m[path.Clean(mount.Target)] = text
	}
	return m
}

// mountMode sorts the options and drops those that are the default.
func mountMode(mode string) string {
	parts := slices.DeleteFunc(strings.Split(mode, ","), func(o string) bool {
		return o == "" || o == "rw" || o == "rprivate" || o == "consistent" || o == "cached" || o == "delegated"
	})
	return strings.Join(sorted(parts), ",")
}

func tmpfs(all map[string]string) map[string]string {
	m := map[string]string{}
	for target, options := range all {
		parts := slices.DeleteFunc(strings.Split(options, ","), func(o string) bool { return o == "" || o == "rw" })
		for i, o := range parts {
			name, value, _ := strings.Cut(o, "=")
			switch name {
			case "size":
				if n, err := ParseSize(value); err == nil {
					parts[i] = "size=" + strconv.FormatInt(n, 10)
				}
			case "mode":
				parts[i] = "mode=" + cmp.Or(strings.TrimLeft(value, "0"), "0")
			}
		}
		m[path.Clean(target)] = strings.Join(sorted(parts), ",")
	}
	return m
}

func volumesFrom(all []string) []string {
	var out []string
	for _, v := range all {
		out = append(out, strings.TrimSuffix(v, ":rw"))
	}
	return out
}

func networkName(n string) string {
	if n == "default" || n == "" {
		return "bridge"
	}
	return n
}

// aliases leaves out the container's own host name, which engines before 25
// add when a container starts.
func aliases(s, have Spec) []string {
	return slices.DeleteFunc(slices.Clone(s.NetworkAliases), func(a string) bool {
		return have.Hostname != "" && (a == have.Hostname || a == have.Hostname+"."+have.Domainname)
	})
}

func (p Port) name() string {
	return fmt.Sprintf("%d/%s", p.Port, cmp.Or(strings.ToLower(p.Protocol), "tcp"))
}

// ports writes "host address:host port->port/protocol".
func ports(all []Port) []string {
	var out []string
	for _, p := range all {
		text := p.name()
		if p.HostPort != 0 {
			text = strconv.Itoa(int(p.HostPort)) + "->" + text
		}
		if p.HostIP != "" && p.HostIP != "0.0.0.0" {
			text = p.HostIP + ":" + text
		}
		out = append(out, text)
	}
	return out
}

// exposed leaves out what is published, which engines expose by themselves.
func exposed(all []string, published []Port) []string {
	var out []string
	for _, e := range all {
		if !slices.ContainsFunc(published, func(p Port) bool { return p.name() == portName(e) }) {
			out = append(out, portName(e))
		}
	}
	return out
}

func extraHosts(all []string) []string {
	var out []string
	for _, h := range all {
		name, address, ok := strings.Cut(h, "=")
		if !ok {
			name, address, _ = strings.Cut(h, ":")
		}
		out = append(out, name+":"+address)
	}
	return out
}

func ulimits(all []Ulimit) map[string]string {
	m := map[string]string{}
	for _, u := range all {
		m[u.Name] = fmt.Sprintf("%d:%d", u.Soft, u.Hard)
	}
	return m
}

func devices(all []Device) map[string]string {
	m := map[string]string{}
	for _, d := range all {
		permissions := strings.Join(sorted(strings.Split(cmp.Or(d.Permissions, "rwm"), "")), "")
		m[cmp.Or(d.Container, d.Host)] = d.Host + " " + permissions
	}
	return m
}

func gpus(s string) string {
	if ids, ok := strings.CutPrefix(s, "device="); ok {
		return "device=" + strings.Join(sorted(strings.Split(ids, ",")), ",")
	}
	return s
}

func capabilities(all []string) []string {
	var out []string
	for _, c := range all {
		out = append(out, strings.TrimPrefix(strings.ToUpper(c), "CAP_"))
	}
	return out
}

// options are the security options without the "label=disable" that engines
// add to containers that share so much with the host that labels are moot.
func (s Security) options() []string {
	var out []string
	for _, o := range s.SecurityOpt {
		name, value, ok := strings.Cut(o, "=")
		if !ok {
			name, value, ok = strings.Cut(o, ":")
		}
		if name == "no-new-privileges" {
			value, ok = cmp.Or(value, "true"), true
		}
		if ok {
			name += "=" + value
		}
		out = append(out, name)
	}
	if s.Privileged || s.PidMode == "host" || s.IpcMode == "host" {
		out = slices.DeleteFunc(out, func(o string) bool { return o == "label=disable" })
	}
	return out
}
