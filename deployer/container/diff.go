package container

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Diff compares, field by field, what is wanted with what a container has, and
// returns where they differ, in a fixed order. Both are brought into one form
// first: what Docker takes for the same, and a field against its default, is
// equal. Where an engine or a kernel fills in or discards a value by itself
// and an inspect cannot tell, only what is wanted is compared; a release that
// drops such an option makes new containers anyway.
//
// Environment values are shown only where clear says so of the name; a nil
// clear shows none. Both specs must leave out what the image brings
// (Defaults.Without); Observed.Diff sees to that.
func Diff(want, have Spec, clear func(env string) bool) []Change {
	var d differ
	d.image(want, have)
	d.list("entrypoint", have.Entrypoint, want.Entrypoint)
	d.list("cmd", have.Cmd, want.Cmd)
	d.env(have.Env, want.Env, clear)
	d.keyed("labels.", have.Labels, want.Labels)
	d.text("user", have.User, want.User)
	d.text("workdir", have.WorkingDir, want.WorkingDir)
	d.flag("tty", have.TTY, want.TTY)
	d.flag("interactive", have.OpenStdin, want.OpenStdin)
	d.storage(want, have)
	d.network(want, have)
	d.life(want, have)
	d.resources(want.Resources, have.Resources)
	d.subset("ulimits.", ulimits(have.Ulimits), ulimits(want.Ulimits))
	d.keyed("devices.", devices(have.Devices), devices(want.Devices))
	d.text("gpus", gpus(have.GPUs), gpus(want.GPUs))
	d.set("device_cgroup_rules", have.DeviceCgroupRules, want.DeviceCgroupRules)
	d.security(want.Security, have.Security)
	return d.changes
}

// Diff compares a container with what is wanted of it, as the function Diff
// does, seen through the container's image and the host's kernel.
func (o Observed) Diff(want Spec, clear func(env string) bool) []Change {
	have := o.Spec
	if o.Image.HasDigest(want.ImageDigest) {
		have.ImageDigest = want.ImageDigest
	}
	want = o.Image.Defaults.Without(want)
	want.Resources, have.Resources = o.Ignored.from(want.Resources), o.Ignored.from(have.Resources)
	return Diff(want, have, clear)
}

// from takes out the limits that the kernel cannot enforce.
func (i Ignored) from(r Resources) Resources {
	if i.Memory {
		r.Memory, r.MemoryReservation, r.MemorySwap = 0, 0, 0
	}
	if i.CPUShares {
		r.CPUShares = 0
	}
	if i.CPUQuota {
		r.NanoCPUs, r.CPUPeriod, r.CPUQuota = 0, 0, 0
	}
	if i.CPUSet {
		r.CPUSetCPUs, r.CPUSetMems = "", ""
	}
	if i.Pids {
		r.PidsLimit = 0
	}
	if i.Swap && r.Memory > 0 {
		r.MemorySwap = -1
	}
	return r
}

// A differ collects changes. Its methods take what was before what is wanted.
type differ struct{ changes []Change }

func (d *differ) text(field, was, want string) {
	if was != want {
		d.changes = append(d.changes, Change{Field: field, Was: was, Want: want})
	}
}

// wanted compares only what is wanted.
func (d *differ) wanted(field, was, want string) {
	if want != "" {
		d.text(field, was, want)
	}
}

func (d *differ) flag(field string, was, want bool) { d.text(field, yes(was), yes(want)) }

func (d *differ) number(field string, was, want int64) { d.text(field, number(was), number(want)) }

// list compares where order matters.
func (d *differ) list(field string, was, want []string) {
	if !slices.Equal(was, want) {
		d.text(field, quoted(was), quoted(want))
	}
}

// set compares where order and repetition do not matter.
func (d *differ) set(field string, was, want []string) { d.list(field, sorted(was), sorted(want)) }

// keyed compares maps entry by entry.
func (d *differ) keyed(prefix string, was, want map[string]string) {
	for _, k := range keys(was, want) {
		before, had := was[k]
		after, wants := want[k]
		if had != wants || before != after {
			d.changes = append(d.changes, Change{Field: prefix + k, Was: before, Want: after})
		}
	}
}

// subset compares only the wanted entries.
func (d *differ) subset(prefix string, was, want map[string]string) {
	was = maps.Clone(was)
	maps.DeleteFunc(was, func(k, _ string) bool { _, ok := want[k]; return !ok })
	d.keyed(prefix, was, want)
}

func (d *differ) env(was, want map[string]secret.Value, clear func(string) bool) {
	for _, k := range keys(was, want) {
		before, had := was[k]
		after, wants := want[k]
		if had == wants && before.Equal(after) {
			continue
		}
		show := func(v secret.Value, ok bool) string {
			switch {
			case !ok:
				return ""
			case clear != nil && clear(k):
				return v.Reveal()
			}
			return secret.Redacted
		}
		d.changes = append(d.changes, Change{Field: "env." + k, Was: show(before, had), Want: show(after, wants)})
	}
}

// image compares by the strongest name that both sides have.
func (d *differ) image(want, have Spec) {
	switch {
	case want.ImageID != "" && have.ImageID != "":
		if want.ImageDigest != "" && want.ImageDigest == have.ImageDigest {
			return
		}
		d.text("image", have.ImageID, want.ImageID)
	case want.ImageDigest != "" && have.ImageDigest != "":
		d.text("image", have.ImageDigest, want.ImageDigest)
	default:
		d.text("image", have.Image, want.Image)
	}
}

func (d *differ) storage(want, have Spec) {
	d.keyed("mounts.", mounts(have.Mounts), mounts(want.Mounts))
	d.keyed("tmpfs.", tmpfs(have.Tmpfs), tmpfs(want.Tmpfs))
	d.set("volumes_from", volumesFrom(have.VolumesFrom), volumesFrom(want.VolumesFrom))
	d.keyed("storage_opt.", have.StorageOpt, want.StorageOpt)
}

func (d *differ) network(want, have Spec) {
	d.text("network", networkName(have.Network), networkName(want.Network))
	d.set("network_aliases", aliases(have, have), aliases(want, have))
	for _, n := range sorted(want.ExtraNetworks) {
		if !slices.Contains(have.ExtraNetworks, n) {
			d.text("network."+n, "", n)
		}
	}
	d.wanted("ip", have.IP, want.IP)
	d.set("ports", ports(have.Ports), ports(want.Ports))
	d.set("expose", exposed(have.Expose, have.Ports), exposed(want.Expose, want.Ports))
	d.wanted("hostname", have.Hostname, want.Hostname)
	d.text("domainname", have.Domainname, want.Domainname)
	d.set("extra_hosts", extraHosts(have.ExtraHosts), extraHosts(want.ExtraHosts))
	d.list("dns", have.DNS, want.DNS)
	d.list("dns_search", have.DNSSearch, want.DNSSearch)
	d.list("dns_options", have.DNSOptions, want.DNSOptions)
}

func (d *differ) life(want, have Spec) {
	d.text("restart", have.Restart.text(), want.Restart.text())
	d.wanted("log.driver", have.Log.Driver, want.Log.Driver)
	d.subset("log.", have.Log.Options, want.Log.Options)
	d.health(have.Health, want.Health)
	d.text("stop_timeout", stopTimeout(have.StopTimeout), stopTimeout(want.StopTimeout))
	d.text("stop_signal", signal(have.StopSignal), signal(want.StopSignal))
	d.flag("init", have.Init != nil && *have.Init, want.Init != nil && *want.Init)
}

func (d *differ) health(was, want *Healthcheck) {
	a, b := was.canonical(), want.canonical()
	d.list("health.test", a.Test, b.Test)
	d.flag("health.disabled", a.Disabled, b.Disabled)
	if len(a.Test) == 0 || len(b.Test) == 0 {
		return // the whole check came or went
	}
	d.text("health.interval", a.Interval.String(), b.Interval.String())
	d.text("health.timeout", a.Timeout.String(), b.Timeout.String())
	d.text("health.start_period", a.StartPeriod.String(), b.StartPeriod.String())
	d.number("health.retries", int64(a.Retries), int64(b.Retries))
}

func (d *differ) resources(want, have Resources) {
	d.number("resources.memory", have.Memory, want.Memory)
	d.number("resources.memory_reservation", have.MemoryReservation, want.MemoryReservation)
	d.number("resources.memory_swap", have.swap(), want.swap())
	d.number("resources.nano_cpus", have.NanoCPUs, want.NanoCPUs)
	d.number("resources.cpu_shares", have.CPUShares, want.CPUShares)
	d.number("resources.cpu_period", have.CPUPeriod, want.CPUPeriod)
	d.number("resources.cpu_quota", have.CPUQuota, want.CPUQuota)
	d.text("resources.cpuset_cpus", have.CPUSetCPUs, want.CPUSetCPUs)
	d.text("resources.cpuset_mems", have.CPUSetMems, want.CPUSetMems)
	d.number("resources.pids_limit", max(0, have.PidsLimit), max(0, want.PidsLimit))
	d.number("resources.oom_score_adj", int64(have.OOMScoreAdj), int64(want.OOMScoreAdj))
	d.wanted("resources.shm_size", number(have.ShmSize), number(want.ShmSize))
	// A kernel with cgroup v2 discards these three.
	if have.BlkioWeight != 0 {
		d.number("resources.blkio_weight", int64(have.BlkioWeight), int64(want.BlkioWeight))
	}
	if have.OOMKillDisable {
		d.flag("resources.oom_kill_disable", have.OOMKillDisable, want.OOMKillDisable)
	}
	if swappiness(have.Swappiness) != "" {
		d.text("resources.swappiness", swappiness(have.Swappiness), swappiness(want.Swappiness))
	}
}

func (d *differ) security(want, have Security) {
	d.flag("privileged", have.Privileged, want.Privileged)
	d.flag("read_only", have.ReadOnlyRootfs, want.ReadOnlyRootfs)
	d.set("cap_add", capabilities(have.CapAdd), capabilities(want.CapAdd))
	d.set("cap_drop", capabilities(have.CapDrop), capabilities(want.CapDrop))
	d.set("security_opt", have.options(), want.options())
	d.set("group_add", have.GroupAdd, want.GroupAdd)
	d.keyed("sysctls.", have.Sysctls, want.Sysctls)
	d.text("pid", have.PidMode, want.PidMode)
	if want.IpcMode != "" || have.IpcMode != "private" && have.IpcMode != "shareable" {
		d.text("ipc", have.IpcMode, want.IpcMode)
	}
	d.text("uts", have.UTSMode, want.UTSMode)
	d.text("userns", have.UsernsMode, want.UsernsMode)
	d.wanted("cgroupns", have.CgroupnsMode, want.CgroupnsMode)
	d.text("cgroup_parent", have.CgroupParent, want.CgroupParent)
	d.wanted("runtime", have.Runtime, want.Runtime)
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func quoted(argv []string) string {
	var parts []string
	for _, a := range argv {
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\") {
			a = strconv.Quote(a)
		}
		parts = append(parts, a)
	}
	return strings.Join(parts, " ")
}

func sorted(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

func keys[V any](a, b map[string]V) []string {
	return sorted(slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b)))
}

func (r Restart) text() string {
	switch {
	case r.Policy == "" || r.Policy == "no":
		return "no"
	case r.MaxRetries != 0:
		return fmt.Sprintf("%s:%d", r.Policy, r.MaxRetries)
	}
	return r.Policy
}

// swap is the limit the engine derives: twice the memory when none is given.
func (r Resources) swap() int64 {
	if r.MemorySwap == 0 && r.Memory > 0 {
		return 2 * r.Memory
	}
	return r.MemorySwap
}

func swappiness(n *int64) string {
	if n == nil || *n == -1 {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func stopTimeout(seconds *int) string {
	if seconds == nil {
		return "10"
	}
	return strconv.Itoa(*seconds)
}

// canonical fills in the engine's defaults (Dockerfile reference, HEALTHCHECK).
func (h *Healthcheck) canonical() Healthcheck {
	if h == nil {
		return Healthcheck{}
	}
	if h.Disabled {
		return Healthcheck{Disabled: true}
	}
	c := *h
	if c.Interval == 0 {
		c.Interval = 30 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Retries == 0 {
		c.Retries = 3
	}
	return c
}
