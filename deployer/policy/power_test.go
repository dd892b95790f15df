package policy_test

import (
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

func loadDestination(t *testing.T, base, production string) *spec.Deploy {
	t.Helper()
	d, _, err := spec.Load(fstest.MapFS{
		"config/deploy.yml": {Data: []byte(base)}, "config/deploy.production.yml": {Data: []byte(production)},
	}, spec.Options{Destination: "production"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// reaches says independently of the package under test, and field by field of
// what the engine is told, whether a container reaches its host.
func reaches(s container.Spec, listed string) string {
	sec := s.Security
	switch {
	case sec.Privileged:
		return "privileged"
	case sec.PidMode == "host" || sec.UTSMode == "host" || sec.IpcMode == "host" || sec.UsernsMode == "host" || sec.CgroupnsMode == "host":
		return "namespace"
	case s.Network == "host" || slices.Contains(s.ExtraNetworks, "host"):
		return "network"
	case len(s.Devices)+len(s.DeviceCgroupRules) > 0 || s.GPUs != "":
		return "device"
	case slices.ContainsFunc(sec.CapAdd, func(c string) bool { return !strings.HasSuffix(strings.ToUpper(c), "CHOWN") }):
		return "capability"
	case slices.ContainsFunc(sec.SecurityOpt, func(o string) bool { return strings.Contains(o, "unconfined") }):
		return "unconfined"
	case len(s.VolumesFrom) > 0:
		return "volumes-from"
	case sec.Runtime != "" || sec.CgroupParent != "":
		return "runtime"
	}
	for _, m := range s.Mounts {
		text := m.Source + ":" + m.Target // what the engine is told
		source, _, _ := strings.Cut(text, ":")
		if m.Source == "" || !strings.ContainsAny(source, "/") {
			continue
		}
		clean := path.Clean(source)
		if clean != listed && !strings.HasPrefix(clean, listed+"/") || strings.Contains(clean, ".sock") {
			return "mount of " + source
		}
	}
	return ""
}

func flagValues() map[string][]string {
	paths := []string{"/", "/etc", "/srv/shop", "/srv/shop/a", "/srv/shopping", "/srv/shop/../x", "/var/run/docker.sock", "/srv/shop/docker.sock", "//run/./docker.sock", "data", "./x", "../x", "/srv/shop/./"}
	values := map[string][]string{
		"privileged": {"true", "false", "1", "", "T"}, "pid": {"host", "", "container:x"}, "ipc": {"host", "private", "shareable"},
		"uts": {"host", ""}, "userns": {"host", ""}, "cgroupns": {"host", "private"}, "network": {"host", "kamal", "other", "none"},
		"device": {"/dev/null", "/dev/sda:/dev/x:r"}, "device-cgroup-rule": {"c 1:3 rwm"}, "gpus": {"all", "1"},
		"cap-add": {"CHOWN", "CAP_CHOWN", "SYS_ADMIN", "all"}, "security-opt": {"no-new-privileges", "seccomp=unconfined", "apparmor:unconfined"},
		"volumes-from": {"x", "x:ro"}, "runtime": {"runc"}, "cgroup-parent": {"/x"}, "memory": {"1g"}, "cpus": {"1"}, "init": {"true"}, "user": {"root"},
		"sysctl": {"net.core.somaxconn=1"}, "label": {"a=b"}, "tmpfs": {"/tmp"},
	}
	for _, p := range paths {
		values["volume"] = append(values["volume"], p+":/x", p+":/x:ro", p+":/x:z")
		for _, kind := range []string{"type=bind,", "type=volume,", ""} {
			values["mount"] = append(values["mount"], kind+"source="+p+",target=/x", kind+"dst=/x,src="+p+",ro")
		}
	}
	return values
}

// However options are combined: what gives a container power is refused, and
// what strict lets be gives none, for a role, an accessory and the proxy alike.
func TestNoCombinationOfOptionsThatStrictLetsBeReachesTheHost(t *testing.T) {
	values := flagValues()
	flags := make([]string, 0, len(values))
	for flag := range values {
		flags = append(flags, flag)
	}
	slices.Sort(flags)
	refused, letBe := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		options := map[string][]string{}
		for _, flag := range rapid.SliceOfNDistinct(rapid.SampledFrom(flags), 1, 4, rapid.ID[string]).Draw(t, "flags") {
			options[flag] = rapid.SliceOfN(rapid.SampledFrom(values[flag]), 1, 2).Draw(t, flag)
		}
		made := container.Spec{Network: "kamal"}
		if err := container.ApplyOptions(&made, options); err != nil {
			t.Skip("docker run refuses it")
		}
		power := reaches(made, "/srv/shop")
		for name, d := range map[string]*spec.Deploy{
			"role":      {Roles: []spec.Role{{Name: "web", Options: options}}},
			"accessory": {Accessories: []spec.Accessory{{Name: "db", Options: options}}},
			"proxy":     {Proxy: spec.Proxy{Run: spec.ProxyRun{Options: options}}},
		} {
			p := policy.Policy{Mode: policy.Strict, Mounts: []string{"/srv/shop"}, Options: []string{policy.Harmless, "sysctl"}}
			err := policy.Check(d, p)
			if power != "" && err == nil {
				t.Fatalf("%s: %v reaches the host by %s and was let be", name, options, power)
			}
			if err != nil {
				refused++
			} else {
				letBe++
			}
		}
	})
	if refused == 0 || letBe == 0 {
		t.Errorf("%d were refused and %d let be: the test shows nothing", refused, letBe)
	}
}

// FuzzVolumes: whatever is written as a volume, what strict lets be is a
// volume's name or a listed folder.
func FuzzVolumes(f *testing.F) {
	for _, v := range []string{"/:/h", "/srv/shop/../..:/x", "data:/d:ro", "type=bind,src=/,dst=/x", "source=/etc:/a,target=/b", "./x:/y", "/run/docker.sock:/d"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, flag := range []string{"volume", "mount"} {
			options := map[string][]string{flag: {text}}
			var made container.Spec
			if container.ApplyOptions(&made, options) != nil {
				continue
			}
			d := &spec.Deploy{Roles: []spec.Role{{Name: "web", Options: options}}}
			err := policy.Check(d, policy.Policy{Mode: policy.Strict, Mounts: []string{"/srv/shop"}})
			if power := reaches(made, "/srv/shop"); power != "" && err == nil {
				t.Errorf("%s %q is let be: %s", flag, text, power)
			}
		}
	})
}
