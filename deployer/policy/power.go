package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// powers are what a container could do beyond any other: each field of the
// Spec that reaches out of the container is looked at here, however it was set.
func powers(s container.Spec) []need {
	return slices.Concat(confinement(s), namespaces(s), storage(s), outside(s))
}

// confinement is about what holds a container's root inside the container.
func confinement(s container.Spec) (all []need) {
	add := func(format string, args ...any) {
		all = append(all, need{what: fmt.Sprintf(format, args...), words: []string{privileged}})
	}
	if s.Security.Privileged {
		add("a privileged container")
	}
	for _, c := range s.Security.CapAdd {
		if !usual(c) {
			add("the capability %s", c)
		}
	}
	for _, o := range s.Security.SecurityOpt {
		if !slices.Contains([]string{"no-new-privileges", "no-new-privileges=true", "no-new-privileges:true"}, o) {
			add("the security option %s", o)
		}
	}
	for _, d := range s.Devices {
		add("the host's device %s", d.Host)
	}
	for _, rule := range s.DeviceCgroupRules {
		add("the device rule %q", rule)
	}
	if s.GPUs != "" {
		add("the host's GPU")
	}
	if s.Security.Runtime != "" {
		add("the runtime %s", s.Security.Runtime)
	}
	if s.Security.CgroupParent != "" {
		add("the cgroup parent %s", s.Security.CgroupParent)
	}
	return all
}

// usual knows the capabilities that every container has anyway (Docker docs,
// "Runtime privilege and Linux capabilities"): naming one adds nothing.
func usual(capability string) bool {
	return slices.Contains(strings.Fields(`AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE
		NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT`), strings.TrimPrefix(strings.ToUpper(capability), "CAP_"))
}

// namespaces is about what a container sees of the host and of others. A mode
// that is not known to be the container's own is taken for the host's.
func namespaces(s container.Spec) (all []need) {
	for _, ns := range []struct {
		name, mode string
		own        []string
	}{
		{"process", s.Security.PidMode, nil},
		{"IPC", s.Security.IpcMode, []string{"private", "shareable", "none"}},
		{"UTS", s.Security.UTSMode, nil},
		{"user", s.Security.UsernsMode, nil},
		{"cgroup", s.Security.CgroupnsMode, []string{"private"}},
	} {
		if ns.mode != "" && !slices.Contains(ns.own, ns.mode) {
			all = append(all, need{what: fmt.Sprintf("the %s namespace %q", ns.name, ns.mode), words: []string{host}})
		}
	}
	for _, network := range append([]string{s.Network}, s.ExtraNetworks...) {
		if shared(network) {
			all = append(all, need{what: fmt.Sprintf("the network %q", network), words: []string{host}})
		}
	}
	return all
}

// shared tells whether a network is the host's or another container's own,
// also in docker run's long form "name=host,alias=x".
func shared(network string) bool {
	for part := range strings.SplitSeq(strings.ToLower(network), ",") {
		name := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(part), "name="))
		if name == "host" || strings.HasPrefix(name, "container:") {
			return true
		}
	}
	return false
}

// outside is about what engine and host do for a container.
func outside(s container.Spec) (all []need) {
	for _, p := range s.Ports {
		if p.HostPort > 0 && p.HostPort < 1024 {
			all = append(all, need{what: fmt.Sprintf("the host's port %d", p.HostPort), words: []string{host}})
		}
	}
	if d := s.Log.Driver; !slices.Contains([]string{"", "json-file", "local", "journald", "none"}, d) {
		all = append(all, need{what: fmt.Sprintf("the log driver %s, with which the engine itself connects somewhere,", d), option: "log-driver"})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Log.Options)) {
		if !slices.Contains(logOptions(), key) {
			all = append(all, need{what: fmt.Sprintf("the log option %s", key), option: "log-opt"})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.Security.Sysctls)) {
		all = append(all, need{what: fmt.Sprintf("the kernel parameter %s", key), option: "sysctl"})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if key == "service" || key == "role" || key == "destination" || strings.HasPrefix(key, "fairlead.") {
			all = append(all, need{what: fmt.Sprintf("the label %s, by which containers are found,", key), hint: "choose another name"})
		}
	}
	return all
}

// logOptions are those of the drivers that keep logs on the host (Docker docs,
// "Configure logging drivers").
func logOptions() []string {
	return strings.Fields("max-size max-file compress labels labels-regex env env-regex tag mode max-buffer-size")
}

// harmless are the flags of docker run that nobody need list: what they do is
// looked at by powers, or stays in the container.
func harmless() []string {
	return strings.Fields(`privileged cap-add security-opt device device-cgroup-rule gpus runtime cgroup-parent
		pid ipc uts userns cgroupns network net publish volume mount volumes-from log-driver log-opt label
		add-host blkio-weight cap-drop cpu-period cpu-quota cpu-shares cpus cpuset-cpus cpuset-mems detach dns dns-opt
		dns-option dns-search domainname entrypoint env expose health-cmd health-interval health-retries
		health-start-period health-timeout hostname init interactive memory memory-reservation memory-swap
		memory-swappiness no-healthcheck pids-limit read-only restart shm-size stop-signal stop-timeout storage-opt
		tmpfs tty ulimit user workdir`)
}

// listed tells whether a flag may be used.
func (p Policy) listed(flag string) bool {
	list := p.Options
	if len(list) == 0 {
		list = []string{Harmless}
	}
	return slices.Contains(list, flag) || slices.Contains(list, Harmless) && slices.Contains(harmless(), flag)
}
