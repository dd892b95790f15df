package spec

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	volumeNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	modePattern       = regexp.MustCompile(`^(0o?)?[0-7]{3,4}$`)
	ownerPattern      = regexp.MustCompile(`^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?$`)
)

func readVolumes(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		checkVolume(item, item.Text())
		out = append(out, item.Text())
	}
	return out
}

// checkVolume checks SOURCE:/TARGET[:OPTIONS].
func checkVolume(v schema.Value, text string) {
	const hint = "as in data:/var/lib/data or /srv/data:/data:ro"
	parts := strings.Split(text, ":")
	if v.Kind() == schema.Map {
		return // the item's shape was reported
	}
	switch {
	case len(parts) < 2 || len(parts) > 3 || strings.ContainsFunc(text, unicode.IsControl):
		v.Fail(hint, "%q is not SOURCE:TARGET[:OPTIONS]", text)
	case !path.IsAbs(parts[1]):
		v.Fail(hint, "the target %q must be an absolute path", parts[1])
	case !strings.ContainsAny(parts[0], "/$~.") && !volumeNamePattern.MatchString(parts[0]), strings.HasPrefix(parts[0], "-"):
		v.Fail(hint, "%q is neither a path nor a volume's name", parts[0])
	case len(parts) == 3:
		checkMountOptions(v, parts[2])
	}
}

func checkMountOptions(v schema.Value, text string) {
	known := []string{"ro", "rw", "z", "Z", "U", "nocopy", "cached", "delegated", "consistent",
		"private", "rprivate", "shared", "rshared", "slave", "rslave"}
	for _, o := range strings.Split(text, ",") {
		if !slices.Contains(known, o) {
			v.Fail("as in ro", "%q is not a mount option", o)
		}
	}
}

// readAssetPath reads /PATH[:OPTIONS].
func readAssetPath(v schema.Value) string {
	p, options, has := strings.Cut(v.Text(), ":")
	if v.Kind() == schema.Scalar && (!path.IsAbs(p) || path.Clean(p) == "/") {
		v.Fail("as in /rails/public/assets", "%q is not an absolute path in the container", p)
	}
	if has {
		checkMountOptions(v, options)
	}
	return v.Text()
}

// readPublish reads a port: N is N:N.
func readPublish(v schema.Value) string {
	text := v.Text()
	checkPublish(v, text)
	if _, err := strconv.Atoi(text); err == nil {
		return text + ":" + text
	}
	return text
}

// checkPublish checks [[IP:]HOST:]CONTAINER[/PROTOCOL], ports may be ranges.
func checkPublish(v schema.Value, text string) {
	if v.Kind() == schema.Map {
		return // the shape was reported
	}
	rest, protocol, has := strings.Cut(text, "/")
	if has && !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		v.Fail("tcp, udp or sctp", "%q is not a protocol", protocol)
	}
	ip := ""
	if strings.HasPrefix(rest, "[") {
		ip, rest, _ = strings.Cut(rest[1:], "]:")
	} else if parts := strings.Split(rest, ":"); len(parts) == 3 {
		ip, rest = parts[0], parts[1]+":"+parts[2]
	}
	if ip != "" && !hostnamePattern.MatchString(ip) && !isIPv6(ip) {
		v.Fail("as in 127.0.0.1:5432:5432", "%q is not an IP address", ip)
	}
	ports := strings.Split(rest, ":")
	if len(ports) == 2 && ports[0] == "" {
		ports = ports[1:] // the host's port is chosen
	}
	for _, p := range ports {
		low, high, isRange := strings.Cut(p, "-")
		if len(ports) > 2 || !isPort(low) || isRange && !isPort(high) {
			v.Fail("as in 5432, 8080:80 or 127.0.0.1:5432:5432", "%q is not a port between 1 and 65535", text)
			return
		}
	}
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= 1 && n <= 65535 && !strings.HasPrefix(text, "+")
}

// fixedHostPort tells that a published port takes a port of the host, so that
// two containers cannot run side by side.
func fixedHostPort(text string) bool {
	rest, _, _ := strings.Cut(text, "/")
	if strings.HasPrefix(rest, "[") {
		_, rest, _ = strings.Cut(rest, "]:")
	}
	parts := strings.Split(rest, ":")
	return len(parts) >= 2 && parts[len(parts)-2] != ""
}

// readMounts reads files or directories of an accessory: LOCAL:REMOTE[:OPTIONS]
// or a map.
func readMounts(v schema.Value) []FileMount {
	var out []FileMount
	for _, item := range v.Items() {
		var m FileMount
		if item.Kind() == schema.Map {
			m = readMountMap(item)
		} else {
			parts := strings.SplitN(item.Text(), ":", 3)
			m.Local = parts[0]
			if len(parts) > 1 {
				m.Remote = parts[1]
			}
			if len(parts) > 2 {
				m.Options = parts[2]
				checkMountOptions(item, m.Options)
			}
		}
		inRepository := strings.HasSuffix(v.Path, ".files")
		switch clean := path.Clean(m.Local); {
		case inRepository && m.Local != "" && !fs.ValidPath(clean):
			item.Fail("write a path in it", "%q leads out of the repository", m.Local)
		case clean == "..", strings.HasPrefix(clean, "../"):
			item.Fail("write a path in it", "%q leads out of the service's folder", m.Local)
		}
		if item.Kind() != schema.List && (m.Local == "" || !path.IsAbs(m.Remote)) {
			item.Fail("as in data:/var/lib/postgresql/data", "must be LOCAL:/REMOTE[:OPTIONS]")
		}
		out = append(out, m)
	}
	return out
}

func readMountMap(v schema.Value) FileMount {
	var m FileMount
	v.Object(schema.Fields{
		"local":  func(v schema.Value) { m.Local = v.Text() },
		"remote": func(v schema.Value) { m.Remote = v.Text() },
		"mode": func(v schema.Value) {
			if m.Mode = v.Text(); !modePattern.MatchString(m.Mode) {
				v.Fail(`as in "0640"`, "%q is not a mode", m.Mode)
			}
		},
		"owner": func(v schema.Value) {
			if m.Owner = v.Text(); !ownerPattern.MatchString(m.Owner) {
				v.Fail("as in 1000:1000", "%q is not USER[:GROUP]", m.Owner)
			}
		},
		"options": func(v schema.Value) {
			m.Options = v.Text()
			checkMountOptions(v, m.Options)
		},
	})
	return m
}
