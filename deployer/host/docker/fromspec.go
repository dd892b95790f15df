package docker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	dc "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// createOptions writes a Spec as the SDK wants it. This is the one place where
// an environment leaves as plain text: to the engine, over the host's socket.
func createOptions(name string, s container.Spec) (client.ContainerCreateOptions, error) {
	if err := checkMounts(s.Mounts); err != nil {
		return client.ContainerCreateOptions{}, err
	}
	config, err := configOf(s)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host, err := hostConfigOf(s)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	if host.PortBindings, err = portBindings(s.Ports, config.ExposedPorts); err != nil {
		return client.ContainerCreateOptions{}, err
	}
	for _, m := range s.Mounts {
		toMount(m, config, host)
	}
	networking, err := networkingOf(s)
	return client.ContainerCreateOptions{Name: name, Config: config, HostConfig: host, NetworkingConfig: networking}, err
}

func configOf(s container.Spec) (*dc.Config, error) {
	c := &dc.Config{Image: s.Image, Cmd: s.Cmd, Entrypoint: s.Entrypoint, Labels: s.Labels, User: s.User, WorkingDir: s.WorkingDir,
		Tty: s.TTY, OpenStdin: s.OpenStdin, Hostname: s.Hostname, Domainname: s.Domainname, StopTimeout: s.StopTimeout,
		StopSignal: s.StopSignal, ExposedPorts: network.PortSet{}, Volumes: map[string]struct{}{}}
	for _, k := range slices.Sorted(maps.Keys(s.Env)) {
		c.Env = append(c.Env, k+"="+s.Env[k].Reveal())
	}
	if h := s.Health; h != nil {
		c.Healthcheck = &dc.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
		if h.Disabled {
			c.Healthcheck = &dc.HealthConfig{Test: []string{"NONE"}}
		}
	}
	for _, e := range s.Expose {
		port, err := network.ParsePort(e)
		if err != nil {
			return nil, fmt.Errorf("expose %q: %w", e, err)
		}
		c.ExposedPorts[port] = struct{}{}
	}
	return c, nil
}

func hostConfigOf(s container.Spec) (*dc.HostConfig, error) {
	h := &dc.HostConfig{
		Tmpfs: s.Tmpfs, VolumesFrom: s.VolumesFrom, StorageOpt: s.StorageOpt, NetworkMode: dc.NetworkMode(s.Network),
		ExtraHosts: s.ExtraHosts, DNSSearch: s.DNSSearch, DNSOptions: s.DNSOptions,
		RestartPolicy: dc.RestartPolicy{Name: dc.RestartPolicyMode(s.Restart.Policy), MaximumRetryCount: s.Restart.MaxRetries},
		LogConfig:     dc.LogConfig{Type: s.Log.Driver, Config: s.Log.Options}, Init: s.Init,
		Privileged: s.Security.Privileged, ReadonlyRootfs: s.Security.ReadOnlyRootfs, CapAdd: s.Security.CapAdd, CapDrop: s.Security.CapDrop,
		SecurityOpt: s.Security.SecurityOpt, GroupAdd: s.Security.GroupAdd, Sysctls: s.Security.Sysctls,
		PidMode: dc.PidMode(s.Security.PidMode), IpcMode: dc.IpcMode(s.Security.IpcMode), UTSMode: dc.UTSMode(s.Security.UTSMode),
		UsernsMode: dc.UsernsMode(s.Security.UsernsMode), CgroupnsMode: dc.CgroupnsMode(s.Security.CgroupnsMode),
		Runtime: s.Security.Runtime, ShmSize: s.Resources.ShmSize, OomScoreAdj: s.Resources.OOMScoreAdj,
	}
	var err error
	if h.Resources, err = limitsOf(s); err != nil {
		return nil, err
	}
	for _, d := range s.DNS {
		a, err := netip.ParseAddr(d)
		if err != nil {
			return nil, fmt.Errorf("dns %q: %w", d, err)
		}
		h.DNS = append(h.DNS, a)
	}
	return h, nil
}

func limitsOf(s container.Spec) (dc.Resources, error) {
	r := s.Resources
	out := dc.Resources{Memory: r.Memory, MemoryReservation: r.MemoryReservation, MemorySwap: r.MemorySwap, MemorySwappiness: r.Swappiness,
		NanoCPUs: r.NanoCPUs, CPUShares: r.CPUShares, CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota, CpusetCpus: r.CPUSetCPUs,
		CpusetMems: r.CPUSetMems, BlkioWeight: r.BlkioWeight, CgroupParent: s.Security.CgroupParent, DeviceCgroupRules: s.DeviceCgroupRules}
	if r.PidsLimit != 0 {
		out.PidsLimit = &r.PidsLimit
	}
	if r.OOMKillDisable {
		out.OomKillDisable = &r.OOMKillDisable
	}
	for _, u := range s.Ulimits {
		out.Ulimits = append(out.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	for _, d := range s.Devices {
		inside, permissions := d.Container, d.Permissions
		if inside == "" {
			inside = d.Host
		}
		if permissions == "" {
			permissions = "rwm"
		}
		out.Devices = append(out.Devices, dc.DeviceMapping{PathOnHost: d.Host, PathInContainer: inside, CgroupPermissions: permissions})
	}
	if s.GPUs == "" {
		return out, nil
	}
	request := dc.DeviceRequest{Capabilities: [][]string{{"gpu"}}}
	if ids, ok := strings.CutPrefix(s.GPUs, "device="); ok {
		request.DeviceIDs = strings.Split(ids, ",")
	} else if s.GPUs == "all" {
		request.Count = -1
	} else {
		count, err := strconv.Atoi(s.GPUs)
		if err != nil {
			return out, fmt.Errorf("gpus %q: want all, a number, or device=ID,ID", s.GPUs)
		}
		request.Count = count
	}
	out.DeviceRequests = []dc.DeviceRequest{request}
	return out, nil
}

// portBindings publishes, and exposes what is published: engines bind only
// exposed ports.
func portBindings(ports []container.Port, exposed network.PortSet) (network.PortMap, error) {
	bindings := network.PortMap{}
	for _, p := range ports {
		protocol := p.Protocol
		if protocol == "" {
			protocol = "tcp"
		}
		port, _ := network.PortFrom(p.Port, network.IPProtocol(protocol))
		var b network.PortBinding
		if p.HostPort != 0 {
			b.HostPort = strconv.Itoa(int(p.HostPort))
		}
		if p.HostIP != "" {
			ip, err := netip.ParseAddr(p.HostIP)
			if err != nil {
				return nil, fmt.Errorf("publish on %q: %w", p.HostIP, err)
			}
			b.HostIP = ip
		}
		bindings[port] = append(bindings[port], b)
		exposed[port] = struct{}{}
	}
	return bindings, nil
}

// toMount writes one mount where the engine wants it: "Binds" makes a missing
// folder as docker run -v does, "Mounts" refuses it as --mount does.
func toMount(m container.Mount, c *dc.Config, h *dc.HostConfig) {
	if m.Kind == container.Volume && m.Source == "" {
		if !m.ReadOnly && m.Mode == "" {
			c.Volumes[m.Target] = struct{}{}
			return
		}
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeVolume, Target: m.Target, ReadOnly: m.ReadOnly,
			VolumeOptions: &mount.VolumeOptions{NoCopy: m.Mode == "nocopy"}})
		return
	}
	if m.MustExist && m.Kind == container.Bind {
		out := mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		if m.Mode != "" {
			out.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(m.Mode)}
		}
		h.Mounts = append(h.Mounts, out)
		return
	}
	bind := m.Source + ":" + m.Target
	var mode []string
	if m.ReadOnly {
		mode = append(mode, "ro")
	}
	if m.Mode != "" {
		mode = append(mode, m.Mode)
	}
	if len(mode) > 0 {
		bind += ":" + strings.Join(mode, ",")
	}
	h.Binds = append(h.Binds, bind)
}

func networkingOf(s container.Spec) (*network.NetworkingConfig, error) {
	if s.Network == "" || len(s.NetworkAliases) == 0 && s.IP == "" {
		return nil, nil
	}
	end := &network.EndpointSettings{Aliases: s.NetworkAliases}
	if s.IP != "" {
		ip, err := netip.ParseAddr(s.IP)
		if err != nil {
			return nil, fmt.Errorf("ip %q: %w", s.IP, err)
		}
		end.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: ip}
	}
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.Network: end}}, nil
}
