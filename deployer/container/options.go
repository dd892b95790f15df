package container

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// ErrUnknownOption: the name is no flag of docker run that Fairlead knows.
var ErrUnknownOption = errors.New("unknown option")

// ApplyOptions sets what Kamal's `options:` of a role or accessory ask for:
// the long names of docker run's flags, each with its values (Docker CLI
// reference, "docker container run"). A flag without value is "true", as Kamal
// writes it. All that is wrong is reported at once; each error names its
// option.
func ApplyOptions(spec *Spec, options map[string][]string) error {
	var all []error
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if why := refused(name); why != "" {
			all = append(all, fmt.Errorf("option %q cannot be used: %s", name, why))
			continue
		}
		set, ok := optionTable[name]
		if !ok {
			all = append(all, fmt.Errorf("option %q: %w of docker run", name, ErrUnknownOption))
			continue
		}
		for _, value := range options[name] {
			if err := set(spec, value); err != nil {
				all = append(all, fmt.Errorf("option %s: %w", name, err))
			}
		}
	}
	return errors.Join(all...)
}

// refused gives the reason why a flag of docker run makes no sense here.
func refused(name string) string {
	switch name {
	case "rm":
		return "a container that removes itself cannot be rolled back to"
	case "name":
		return "Fairlead names its containers"
	case "env-file", "label-file", "cidfile":
		return "it names a file where docker runs; write the values into deploy.yml"
	case "publish-all", "P":
		return "name each port with publish"
	case "attach", "sig-proxy", "detach-keys":
		return "nobody is attached to a deployed container"
	case "link", "link-local-ip", "platform", "pull", "disable-content-trust", "isolation", "volume-driver", "ip6", "mac-address":
		return "Fairlead does not support it"
	}
	return ""
}

type setter func(*Spec, string) error

// optionTable maps each flag to what it sets. It is made once, and only read.
var optionTable = func() map[string]setter {
	table := map[string]setter{}
	for _, part := range []map[string]setter{processOptions(), storageOptions(), networkOptions(), limitOptions(), securityOptions(), healthOptions()} {
		maps.Copy(table, part)
	}
	return table
}()

func processOptions() map[string]setter {
	return map[string]setter{
		"detach":      func(*Spec, string) error { return nil }, // always so
		"entrypoint":  func(s *Spec, v string) error { s.Entrypoint = []string{v}; return nil },
		"user":        text(func(s *Spec) *string { return &s.User }),
		"workdir":     text(func(s *Spec) *string { return &s.WorkingDir }),
		"tty":         boolean(func(s *Spec) *bool { return &s.TTY }),
		"interactive": boolean(func(s *Spec) *bool { return &s.OpenStdin }),
		"stop-signal": text(func(s *Spec) *string { return &s.StopSignal }),
		"stop-timeout": func(s *Spec, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil {
				return fmt.Errorf("%q is no number of seconds", v)
			}
			s.StopTimeout = &n
			return nil
		},
		"init": func(s *Spec, v string) error {
			b, err := parseBool(v)
			s.Init = &b
			return err
		},
		"restart":    applyRestart,
		"env":        applyEnv,
		"label":      pair(func(s *Spec) *map[string]string { return &s.Labels }),
		"log-driver": text(func(s *Spec) *string { return &s.Log.Driver }),
		"log-opt":    pair(func(s *Spec) *map[string]string { return &s.Log.Options }),
	}
}

func storageOptions() map[string]setter {
	return map[string]setter{
		"volume": func(s *Spec, v string) error {
			m, err := ParseVolume(v)
			s.Mounts = append(s.Mounts, m)
			return err
		},
		"mount": applyMount,
		"tmpfs": func(s *Spec, v string) error {
			target, options, _ := strings.Cut(v, ":")
			put(&s.Tmpfs, target, options)
			return nil
		},
		"volumes-from": list(func(s *Spec) *[]string { return &s.VolumesFrom }),
		"storage-opt":  pair(func(s *Spec) *map[string]string { return &s.StorageOpt }),
	}
}

func networkOptions() map[string]setter {
	return map[string]setter{
		"network": applyNetwork,
		"net":     applyNetwork,
		"publish": func(s *Spec, v string) error {
			p, err := ParsePort(v)
			s.Ports = append(s.Ports, p...)
			return err
		},
		"network-alias": list(func(s *Spec) *[]string { return &s.NetworkAliases }),
		"ip":            text(func(s *Spec) *string { return &s.IP }),
		"expose":        list(func(s *Spec) *[]string { return &s.Expose }),
		"hostname":      text(func(s *Spec) *string { return &s.Hostname }),
		"domainname":    text(func(s *Spec) *string { return &s.Domainname }),
		"add-host":      list(func(s *Spec) *[]string { return &s.ExtraHosts }),
		"dns":           list(func(s *Spec) *[]string { return &s.DNS }),
		"dns-search":    list(func(s *Spec) *[]string { return &s.DNSSearch }),
		"dns-option":    list(func(s *Spec) *[]string { return &s.DNSOptions }),
		"dns-opt":       list(func(s *Spec) *[]string { return &s.DNSOptions }),
	}
}

func limitOptions() map[string]setter {
	return map[string]setter{
		"memory":             size(func(r *Resources) *int64 { return &r.Memory }),
		"memory-reservation": size(func(r *Resources) *int64 { return &r.MemoryReservation }),
		"memory-swap":        size(func(r *Resources) *int64 { return &r.MemorySwap }),
		"shm-size":           size(func(r *Resources) *int64 { return &r.ShmSize }),
		"memory-swappiness": func(s *Spec, v string) error {
			n, err := integer(v)
			s.Resources.Swappiness = &n
			return err
		},
		"oom-kill-disable": boolean(func(s *Spec) *bool { return &s.Resources.OOMKillDisable }),
		"oom-score-adj": func(s *Spec, v string) error {
			n, err := integer(v)
			s.Resources.OOMScoreAdj = int(n)
			return err
		},
		"cpus":        applyCPUs,
		"cpu-shares":  count(func(r *Resources) *int64 { return &r.CPUShares }),
		"cpu-period":  count(func(r *Resources) *int64 { return &r.CPUPeriod }),
		"cpu-quota":   count(func(r *Resources) *int64 { return &r.CPUQuota }),
		"cpuset-cpus": text(func(s *Spec) *string { return &s.Resources.CPUSetCPUs }),
		"cpuset-mems": text(func(s *Spec) *string { return &s.Resources.CPUSetMems }),
		"pids-limit":  count(func(r *Resources) *int64 { return &r.PidsLimit }),
		"blkio-weight": func(s *Spec, v string) error {
			n, err := strconv.ParseUint(v, 10, 16)
			s.Resources.BlkioWeight = uint16(n)
			return err
		},
		"ulimit":             applyUlimit,
		"device":             applyDevice,
		"device-cgroup-rule": list(func(s *Spec) *[]string { return &s.DeviceCgroupRules }),
		"gpus":               applyGPUs,
	}
}

func securityOptions() map[string]setter {
	return map[string]setter{
		"privileged":    boolean(func(s *Spec) *bool { return &s.Security.Privileged }),
		"read-only":     boolean(func(s *Spec) *bool { return &s.Security.ReadOnlyRootfs }),
		"cap-add":       list(func(s *Spec) *[]string { return &s.Security.CapAdd }),
		"cap-drop":      list(func(s *Spec) *[]string { return &s.Security.CapDrop }),
		"security-opt":  list(func(s *Spec) *[]string { return &s.Security.SecurityOpt }),
		"group-add":     list(func(s *Spec) *[]string { return &s.Security.GroupAdd }),
		"sysctl":        pair(func(s *Spec) *map[string]string { return &s.Security.Sysctls }),
		"pid":           text(func(s *Spec) *string { return &s.Security.PidMode }),
		"ipc":           text(func(s *Spec) *string { return &s.Security.IpcMode }),
		"uts":           text(func(s *Spec) *string { return &s.Security.UTSMode }),
		"userns":        text(func(s *Spec) *string { return &s.Security.UsernsMode }),
		"cgroupns":      text(func(s *Spec) *string { return &s.Security.CgroupnsMode }),
		"cgroup-parent": text(func(s *Spec) *string { return &s.Security.CgroupParent }),
		"runtime":       text(func(s *Spec) *string { return &s.Security.Runtime }),
	}
}

func healthOptions() map[string]setter {
	return map[string]setter{
		"health-cmd": func(s *Spec, v string) error {
			health(s).Test = []string{"CMD-SHELL", v}
			return nil
		},
		"health-interval":     duration(func(h *Healthcheck) *time.Duration { return &h.Interval }),
		"health-timeout":      duration(func(h *Healthcheck) *time.Duration { return &h.Timeout }),
		"health-start-period": duration(func(h *Healthcheck) *time.Duration { return &h.StartPeriod }),
		"health-retries": func(s *Spec, v string) error {
			n, err := integer(v)
			health(s).Retries = int(n)
			return err
		},
		"no-healthcheck": boolean(func(s *Spec) *bool { return &health(s).Disabled }),
	}
}

// health makes the spec's health check its own before it is changed.
func health(s *Spec) *Healthcheck {
	if s.Health == nil {
		s.Health = &Healthcheck{}
	}
	return s.Health
}

func text(field func(*Spec) *string) setter {
	return func(s *Spec, v string) error { *field(s) = v; return nil }
}

func list(field func(*Spec) *[]string) setter {
	return func(s *Spec, v string) error { *field(s) = append(*field(s), v); return nil }
}

func pair(field func(*Spec) *map[string]string) setter {
	return func(s *Spec, v string) error {
		key, value, _ := strings.Cut(v, "=")
		if key == "" {
			return fmt.Errorf("%q: want NAME=VALUE", v)
		}
		put(field(s), key, value)
		return nil
	}
}

func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}

func boolean(field func(*Spec) *bool) setter {
	return func(s *Spec, v string) (err error) { *field(s), err = parseBool(v); return err }
}

func parseBool(v string) (bool, error) {
	if v == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q: want true or false", v)
	}
	return b, nil
}

func size(field func(*Resources) *int64) setter {
	return func(s *Spec, v string) (err error) { *field(&s.Resources), err = ParseSize(v); return err }
}

func count(field func(*Resources) *int64) setter {
	return func(s *Spec, v string) (err error) { *field(&s.Resources), err = integer(v); return err }
}

func duration(field func(*Healthcheck) *time.Duration) setter {
	return func(s *Spec, v string) (err error) { *field(health(s)), err = time.ParseDuration(v); return err }
}

func integer(v string) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", v)
	}
	return n, nil
}

func applyRestart(s *Spec, v string) error {
	policy, retries, limited := strings.Cut(v, ":")
	if !slices.Contains([]string{"no", "always", "unless-stopped", "on-failure"}, policy) || limited && policy != "on-failure" {
		return fmt.Errorf("%q: want no, always, unless-stopped, on-failure or on-failure:TIMES", v)
	}
	s.Restart = Restart{Policy: policy}
	if !limited {
		return nil
	}
	n, err := integer(retries)
	s.Restart.MaxRetries = int(n)
	return err
}

func applyEnv(s *Spec, v string) error {
	name, value, ok := strings.Cut(v, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: want NAME=VALUE", name)
	}
	if s.Env == nil {
		s.Env = map[string]secret.Value{}
	}
	s.Env[name] = secret.New(value)
	return nil
}

// applyNetwork sets the network, or adds one to a network that is set.
func applyNetwork(s *Spec, v string) error {
	if s.Network == "" || s.Network == v {
		s.Network = v
	} else if !slices.Contains(s.ExtraNetworks, v) {
		s.ExtraNetworks = append(s.ExtraNetworks, v)
	}
	return nil
}

func applyCPUs(s *Spec, v string) error {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n <= 0 || n > 1<<20 {
		return fmt.Errorf("%q: want a number such as 1.5", v)
	}
	s.Resources.NanoCPUs = int64(n*1e9 + 0.5)
	return nil
}

func applyUlimit(s *Spec, v string) error {
	name, limits, ok := strings.Cut(v, "=")
	soft, hard, two := strings.Cut(limits, ":")
	if !two {
		hard = soft
	}
	a, err1 := integer(soft)
	b, err2 := integer(hard)
	if !ok || name == "" || err1 != nil || err2 != nil {
		return fmt.Errorf("%q: want NAME=SOFT or NAME=SOFT:HARD", v)
	}
	if a > b && b != -1 {
		return fmt.Errorf("%q: the soft limit is above the hard limit", v)
	}
	s.Ulimits = append(s.Ulimits, Ulimit{Name: name, Soft: a, Hard: b})
	return nil
}

func applyDevice(s *Spec, v string) error {
	parts := strings.Split(v, ":")
	d := Device{Host: parts[0]}
	isMode := func(p string) bool { return p != "" && strings.Trim(p, "rwm") == "" }
	switch {
	case len(parts) == 2 && isMode(parts[1]):
		d.Permissions = parts[1]
	case len(parts) == 2:
		d.Container = parts[1]
	case len(parts) == 3 && isMode(parts[2]):
		d.Container, d.Permissions = parts[1], parts[2]
	case len(parts) != 1:
		return fmt.Errorf("%q: want HOST[:CONTAINER][:rwm]", v)
	}
	if !strings.HasPrefix(d.Host, "/") {
		return fmt.Errorf("%q: the device is no absolute path", v)
	}
	s.Devices = append(s.Devices, d)
	return nil
}

func applyGPUs(s *Spec, v string) error {
	v = strings.Trim(v, `"`)
	if n, err := strconv.Atoi(v); v != "all" && (err != nil || n <= 0) && !strings.HasPrefix(v, "device=") {
		return fmt.Errorf("%q: want all, a number, or device=ID,ID", v)
	}
	s.GPUs = v
	return nil
}

// applyMount reads --mount's "type=bind,source=…,target=…,readonly".
func applyMount(s *Spec, v string) error {
	m := Mount{Kind: Volume}
	kind := string(Volume)
	var memory []string
	for part := range strings.SplitSeq(v, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(key) {
		case "type":
			kind = value
		case "source", "src":
			m.Source = value
		case "target", "destination", "dst":
			m.Target = value
		case "readonly", "ro":
			b, err := parseBool(value)
			if err != nil {
				return err
			}
			m.ReadOnly = b
		case "bind-propagation":
			m.Mode = value
		case "volume-nocopy":
			m.Mode = "nocopy"
		case "tmpfs-size":
			memory = append(memory, "size="+value)
		case "tmpfs-mode":
			memory = append(memory, "mode="+value)
		case "consistency":
		default:
			return fmt.Errorf("%q: unknown key %q", v, key)
		}
	}
	if !strings.HasPrefix(m.Target, "/") {
		return fmt.Errorf("%q: the target must be an absolute path", v)
	}
	switch kind {
	case "tmpfs":
		put(&s.Tmpfs, m.Target, strings.Join(memory, ","))
		return nil
	case "bind":
		m.Kind, m.MustExist = Bind, true
	case "volume":
		if strings.ContainsRune(m.Source, '/') { // the engine would bind that folder
			return fmt.Errorf("%q: a volume's name has no /; type=bind mounts a folder", v)
		}
	default:
		return fmt.Errorf("%q: unknown type %q", v, kind)
	}
	s.Mounts = append(s.Mounts, m)
	return nil
}
