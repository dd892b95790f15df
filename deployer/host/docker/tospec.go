package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	dc "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
)

// observed reads an inspect answer. What the image sets is taken out of the
// Spec (container.Defaults.Without), and so is what the engine makes up.
func observed(r dc.InspectResponse, image container.ImageFacts) (container.Observed, error) {
	if r.Config == nil || r.HostConfig == nil || r.State == nil {
		return container.Observed{}, fmt.Errorf("the answer for container %s lacks its configuration", short(r.ID))
	}
	if image.ID == "" {
		image.ID = r.Image
	}
	o := container.Observed{ID: r.ID, Name: strings.TrimPrefix(r.Name, "/"), Image: image, State: state(r), Created: instant(r.Created)}
	spec := container.Spec{Image: r.Config.Image, ImageID: r.Image, ImageDigest: digestOf(r.Config.Image, image.RepoDigests)}
	fromConfig(&spec, r.Config)
	fromHostConfig(&spec, r.HostConfig)
	spec.Security, spec.Resources = securityOf(r.HostConfig), resourcesOf(r.HostConfig)
	for target := range r.Config.Volumes {
		if !slices.ContainsFunc(spec.Mounts, func(m container.Mount) bool { return m.Target == target }) {
			spec.Mounts = append(spec.Mounts, container.Mount{Kind: container.Volume, Target: target})
		}
	}
	if spec.Network == "host" || spec.Hostname == firstTwelve(r.ID) {
		spec.Hostname = ""
	}
	o.Addresses = endpoints(&spec, r)
	o.Spec = image.Defaults.Without(spec)
	return o, nil
}

// digestOf picks the digest under which the image's own repository knows it.
func digestOf(ref string, repoDigests []string) string {
	if _, digest, ok := strings.Cut(ref, "@"); ok {
		return digest
	}
	repo := ref
	if colon := strings.LastIndex(ref, ":"); colon > strings.LastIndex(ref, "/") {
		repo = ref[:colon]
	}
	for _, d := range repoDigests {
		if name, digest, ok := strings.Cut(d, "@"); ok && name == repo {
			return digest
		}
	}
	if len(repoDigests) > 0 {
		_, digest, _ := strings.Cut(repoDigests[0], "@")
		return digest
	}
	return ""
}

func fromConfig(s *container.Spec, c *dc.Config) {
	s.Cmd, s.Entrypoint = c.Cmd, c.Entrypoint
	s.Env = make(map[string]secret.Value, len(c.Env))
	for _, pair := range c.Env {
		name, value, _ := strings.Cut(pair, "=")
		s.Env[name] = secret.New(value)
	}
	s.Labels = maps.Clone(c.Labels)
	s.User, s.WorkingDir = c.User, c.WorkingDir
	s.TTY, s.OpenStdin = c.Tty, c.OpenStdin
	s.Hostname, s.Domainname = c.Hostname, c.Domainname
	s.Health = healthcheck(c.Healthcheck)
	s.StopTimeout, s.StopSignal = c.StopTimeout, c.StopSignal
	for port := range c.ExposedPorts {
		s.Expose = append(s.Expose, port.String())
	}
}

func fromHostConfig(s *container.Spec, h *dc.HostConfig) {
	for _, bind := range h.Binds {
		// The engine has taken it, so it can be parsed.
		if m, err := container.ParseVolume(bind); err == nil {
			s.Mounts = append(s.Mounts, m)
		}
	}
	s.Tmpfs = maps.Clone(h.Tmpfs)
	for _, m := range h.Mounts {
		fromMount(s, m)
	}
	s.VolumesFrom, s.StorageOpt = h.VolumesFrom, h.StorageOpt
	s.Network = string(h.NetworkMode)
	s.Ports = publishedPorts(h.PortBindings)
	s.ExtraHosts, s.DNSSearch, s.DNSOptions = h.ExtraHosts, h.DNSSearch, h.DNSOptions
	for _, a := range h.DNS {
		s.DNS = append(s.DNS, a.String())
	}
	s.Restart = container.Restart{Policy: string(h.RestartPolicy.Name), MaxRetries: h.RestartPolicy.MaximumRetryCount}
	s.Log = container.Log{Driver: h.LogConfig.Type, Options: h.LogConfig.Config}
	s.Init = h.Init
	for _, u := range h.Ulimits {
		s.Ulimits = append(s.Ulimits, container.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, d := range h.Devices {
		s.Devices = append(s.Devices, container.Device{Host: d.PathOnHost, Container: d.PathInContainer, Permissions: d.CgroupPermissions})
	}
	s.GPUs = gpusOf(h.DeviceRequests)
	s.DeviceCgroupRules = h.DeviceCgroupRules
}

func fromMount(s *container.Spec, m mount.Mount) {
	switch m.Type {
	case mount.TypeTmpfs:
		if s.Tmpfs == nil {
			s.Tmpfs = map[string]string{}
		}
		var options []string
		if m.TmpfsOptions != nil && m.TmpfsOptions.SizeBytes != 0 {
			options = append(options, "size="+strconv.FormatInt(m.TmpfsOptions.SizeBytes, 10))
		}
		if m.TmpfsOptions != nil && m.TmpfsOptions.Mode != 0 {
			options = append(options, "mode="+strconv.FormatUint(uint64(m.TmpfsOptions.Mode), 8))
		}
		s.Tmpfs[m.Target] = strings.Join(options, ",")
	case mount.TypeBind, mount.TypeVolume:
		out := container.Mount{Kind: container.MountKind(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		var mode []string
		if m.BindOptions != nil && m.BindOptions.Propagation != "" {
			mode = append(mode, string(m.BindOptions.Propagation))
		}
		if m.VolumeOptions != nil && m.VolumeOptions.NoCopy {
			mode = append(mode, "nocopy")
		}
		out.Mode, out.MustExist = strings.Join(mode, ","), m.Type == mount.TypeBind
		s.Mounts = append(s.Mounts, out)
	}
}

func publishedPorts(bindings network.PortMap) []container.Port {
	var ports []container.Port
	for port, hosts := range bindings {
		for _, h := range hosts {
			p := container.Port{Port: port.Num(), Protocol: string(port.Proto())}
			if h.HostIP.IsValid() {
				p.HostIP = h.HostIP.String()
			}
			if n, err := strconv.ParseUint(h.HostPort, 10, 16); err == nil {
				p.HostPort = uint16(n)
			}
			ports = append(ports, p)
		}
	}
	return ports
}

func gpusOf(requests []dc.DeviceRequest) string {
	for _, r := range requests {
		if !slices.ContainsFunc(r.Capabilities, func(and []string) bool { return slices.Contains(and, "gpu") }) {
			continue
		}
		switch {
		case len(r.DeviceIDs) > 0:
			return "device=" + strings.Join(r.DeviceIDs, ",")
		case r.Count < 0:
			return "all"
		default:
			return strconv.Itoa(r.Count)
		}
	}
	return ""
}

func securityOf(h *dc.HostConfig) container.Security {
	return container.Security{Privileged: h.Privileged, ReadOnlyRootfs: h.ReadonlyRootfs, CapAdd: h.CapAdd, CapDrop: h.CapDrop,
		SecurityOpt: h.SecurityOpt, GroupAdd: h.GroupAdd, Sysctls: h.Sysctls, PidMode: string(h.PidMode), IpcMode: string(h.IpcMode),
		UTSMode: string(h.UTSMode), UsernsMode: string(h.UsernsMode), CgroupnsMode: string(h.CgroupnsMode),
		CgroupParent: h.CgroupParent, Runtime: h.Runtime}
}

func resourcesOf(h *dc.HostConfig) container.Resources {
	r := container.Resources{Memory: h.Memory, MemoryReservation: h.MemoryReservation, MemorySwap: h.MemorySwap,
		Swappiness: h.MemorySwappiness, OOMScoreAdj: h.OomScoreAdj, NanoCPUs: h.NanoCPUs, CPUShares: h.CPUShares,
		CPUPeriod: h.CPUPeriod, CPUQuota: h.CPUQuota, CPUSetCPUs: h.CpusetCpus, CPUSetMems: h.CpusetMems,
		ShmSize: h.ShmSize, BlkioWeight: h.BlkioWeight}
	if h.OomKillDisable != nil {
		r.OOMKillDisable = *h.OomKillDisable
	}
	if h.PidsLimit != nil {
		r.PidsLimit = *h.PidsLimit
	}
	return r
}

// endpoints reads the addresses, and the aliases and further networks into s.
// Engines before API 1.45 add the short id to the aliases.
func endpoints(s *container.Spec, r dc.InspectResponse) map[string]string {
	addresses := map[string]string{}
	if r.NetworkSettings == nil {
		return addresses
	}
	primary := s.Network
	if primary == "default" {
		primary = "bridge"
	}
	joined := r.NetworkSettings.Networks == nil || !named(primary)
	for _, name := range slices.Sorted(maps.Keys(r.NetworkSettings.Networks)) {
		end := r.NetworkSettings.Networks[name]
		if end == nil {
			joined = joined || name == primary
			continue
		}
		addresses[name] = ""
		if end.IPAddress.IsValid() {
			addresses[name] = end.IPAddress.String()
		}
		// The mode may be a network's id.
		if name != primary && end.NetworkID != primary {
			s.ExtraNetworks = append(s.ExtraNetworks, name)
			continue
		}
		s.Network, joined = name, true
		for _, alias := range end.Aliases {
			if alias != firstTwelve(r.ID) {
				s.NetworkAliases = append(s.NetworkAliases, alias)
			}
		}
		if end.IPAMConfig != nil && end.IPAMConfig.IPv4Address.IsValid() {
			s.IP = end.IPAMConfig.IPv4Address.String()
		}
	}
	if !joined {
		// Somebody took it off; the mode still says what was asked for once.
		s.Network = "none"
	}
	return addresses
}

// named tells whether a network mode is the name of a network that containers
// join and leave, not one of the engine's own modes.
func named(mode string) bool {
	return !slices.Contains([]string{"", "bridge", "host", "none", "nat"}, mode) && !strings.HasPrefix(mode, "container:")
}

func firstTwelve(id string) string { return id[:min(12, len(id))] }

func healthcheck(h *dockerspec.HealthcheckConfig) *container.Healthcheck {
	if h == nil {
		return nil
	}
	if len(h.Test) == 1 && h.Test[0] == "NONE" {
		return &container.Healthcheck{Disabled: true}
	}
	return &container.Healthcheck{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
}

const maxProbeOutput = 4 << 10 // bytes

func state(r dc.InspectResponse) container.State {
	s := container.State{Status: container.Status(r.State.Status), ExitCode: r.State.ExitCode, OOMKilled: r.State.OOMKilled,
		Error: PlainText(r.State.Error, maxProbeOutput), StartedAt: instant(r.State.StartedAt), FinishedAt: instant(r.State.FinishedAt),
		Health: container.NoHealth, RestartCount: r.RestartCount}
	if h := r.State.Health; h != nil && h.Status != "" {
		s.Health = container.Health(h.Status)
		for _, p := range h.Log {
			if p != nil {
				s.HealthLog = append(s.HealthLog, container.HealthProbe{Start: p.Start, End: p.End, ExitCode: p.ExitCode,
					Output: PlainText(p.Output, maxProbeOutput)})
			}
		}
	}
	return s
}

// instant reads the engine's RFC 3339 times; its "0001-01-01T00:00:00Z" and
// what cannot be read are the zero time.
func instant(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
