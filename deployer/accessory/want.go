package accessory

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Role is what stands for an accessory where a role is named; no role has such
// a name.
func Role(name string) string { return rolePrefix + name }

const rolePrefix = "accessory "

// How long an accessory may take. A database is not hurried.
const (
	leastDeadline = time.Minute
	leastStop     = 30 * time.Second
	maxFile       = 4 << 20 // bytes
)

// Unit is one accessory on one host.
type Unit struct {
	plan.Unit
	Accessory string // its name in deploy.yml
	Image     plan.Image
	// Mounted are the files and folders of the host that it mounts and that are
	// put there for it.
	Mounted []plan.File
	// Proxy is how the host's proxy is booted, for one with a Route.
	Proxy plan.ProxyRun
}

// Inputs is what deploy.yml does not hold.
type Inputs struct {
	Release  release.ID
	Revision string
	Secrets  map[string]secret.Value
	// Home is the ssh user's home folder by host. A host without one is away: its
	// accessories are left out.
	Home        map[string]string
	Environment map[string]map[string]string // of the ssh user's login, by host
	Files       fs.FS                        // of the commit
	Env         func(name string) (string, bool)
}

// Want turns deploy.yml into what should run on the hosts, in the file's order.
// It errs when a secret or a file is missing or an option cannot be read, all at
// once.
func Want(d *spec.Deploy, in Inputs) ([]Unit, error) {
	var units []Unit
	var errs []error
	for _, a := range d.Accessories {
		env, clear, err := environment(a, in)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files, err := contents(a, env, in)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, h := range a.Hosts {
			home := in.Home[h.Address]
			if home == "" {
				continue
			}
			u, err := unitOf(d, a, place{h.Address, home, files, clear, env}, in)
			if err != nil {
				errs = append(errs, fmt.Errorf("accessories.%s: %w", a.Name, err))
				break
			}
			units = append(units, u)
		}
	}
	return units, errors.Join(errs...)
}

// place is where a unit runs, with what is the same on all hosts.
type place struct {
	host, home string
	files      []plan.File // their path is that in the container
	clear      map[string]bool
	env        map[string]secret.Value
}

func unitOf(d *spec.Deploy, a spec.Accessory, p place, in Inputs) (Unit, error) {
	u := Unit{Accessory: a.Name, Image: imageOf(a.Image)}
	u.Unit = plan.Unit{
		Host: p.host, Role: Role(a.Name), Name: a.Service, Kind: plan.StopFirst, Clear: p.clear,
		Health: plan.Health{
			Interval: time.Second, Timeout: 5 * time.Second, Retries: 3,
			Deadline: max(d.DeployTimeout, leastDeadline), Readiness: d.ReadinessDelay,
		},
	}
	env := map[string]secret.Value{}
	for name, v := range p.env {
		if p.clear[name] {
			v = secret.New(plan.Expand(v.Reveal(), in.Environment[p.host]))
		}
		env[name] = v
	}
	env[hostVariable], u.Clear[hostVariable] = secret.New(p.host), true
	u.Spec = container.Spec{
		Image: a.Image, Cmd: a.Cmd.Args, Env: env, Network: a.Network,
		Labels: map[string]string{plan.LabelService: a.Service},
		Log:    container.Log{Driver: a.Logging.Driver, Options: a.Logging.Options},
	}
	maps.Copy(u.Spec.Labels, a.Labels)
	u.Spec.Labels[plan.LabelRelease], u.Spec.Labels[plan.LabelRevision] = string(in.Release), in.Revision
	errs := []error{mounts(&u, a, p), container.ApplyOptions(&u.Spec, map[string][]string{"restart": {cmp.Or(a.Restart, "unless-stopped")}})}
	if a.Publish != "" {
		ports, err := container.ParsePort(a.Publish)
		u.Spec.Ports, errs = ports, append(errs, err)
	}
	if len(a.Options["network"]) > 0 && a.Network == plan.Network {
		u.Spec.Network = "" // the option takes the place of the default
	}
	errs = append(errs, container.ApplyOptions(&u.Spec, a.Options))
	u.StopTimeout = max(d.DrainTimeout, leastStop)
	if t := u.Spec.StopTimeout; t != nil {
		u.StopTimeout = time.Duration(*t) * time.Second
	}
	if a.Proxy != nil {
		r, files, run, err := plan.Beside(d, a, in.Secrets)
		if err != nil {
			return u, err
		}
		u.Route, u.Files, u.Proxy = &r, files, run
		check := a.Proxy.Healthcheck
		u.Health.HTTP, u.Health.Port, u.Health.Interval, u.Health.Timeout = check.Path, a.Proxy.AppPort, check.Interval, check.Timeout
	}
	return u, errors.Join(errs...)
}

// hostVariable is what newer Kamals tell an accessory; older ones do not, so
// its absence is no difference.
const hostVariable = "KAMAL_HOST"

// imageOf splits NAME[:TAG][@DIGEST]. An image without a tag gets one on the
// host, by which it is known there.
func imageOf(ref string) plan.Image {
	name, digest, _ := strings.Cut(ref, "@")
	i := plan.Image{Name: name, Digest: digest, Version: "latest"}
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		i.Name, i.Version = name[:colon], name[colon+1:]
	} else if _, hex, ok := strings.Cut(digest, ":"); ok && len(hex) > 12 {
		i.Version = hex[:12]
	}
	return i
}

func environment(a spec.Accessory, in Inputs) (env map[string]secret.Value, clear map[string]bool, err error) {
	env, clear = map[string]secret.Value{}, map[string]bool{}
	var errs []error
	for _, ref := range a.Env.Secrets {
		v, ok := ref.Literal, true
		if ref.Source != "" {
			v, ok = in.Secrets[ref.Source]
		}
		if !ok {
			errs = append(errs, fmt.Errorf("env of accessory %s: secret %s is missing", a.Name, ref.Source))
		}
		env[ref.Name] = v
	}
	for name, value := range a.Env.Clear {
		env[name], clear[name] = secret.New(value), true
	}
	return env, clear, errors.Join(errs...)
}

// contents reads an accessory's files out of the commit; templates are
// evaluated, with the accessory's own environment before the repository's.
func contents(a spec.Accessory, env map[string]secret.Value, in Inputs) ([]plan.File, error) {
	var files []plan.File
	var errs []error
	for i, m := range a.Files {
		at := fmt.Sprintf("accessories.%s.files[%d]", a.Name, i)
		mode, err := modeOf(m.Mode, 0o755)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", at, err))
			continue
		}
		content, err := fs.ReadFile(in.Files, path.Clean(m.Local))
		if err == nil && len(content) > maxFile {
			err = errors.New("it has more than 4 MiB")
		}
		if err == nil && strings.HasSuffix(m.Local, "erb") {
			content, err = render(m.Local, content, func(name string) (string, bool) {
				if v, ok := env[name]; ok {
					return v.Reveal(), true
				}
				if in.Env == nil {
					return "", false
				}
				return in.Env(name)
			})
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: read %s of the commit: %w", at, m.Local, err))
			continue
		}
		files = append(files, plan.File{Path: m.Remote, Content: secret.New(string(content)), Mode: mode, Owner: m.Owner})
	}
	return files, errors.Join(errs...)
}

func modeOf(text string, usual fs.FileMode) (fs.FileMode, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no mode", text)
	}
	return fs.FileMode(n).Perm(), nil
}

// mounts are the volumes, then the files and folders in the accessory's own
// folder in the ssh user's home (Kamal 2.12: $PWD/SERVICE-NAME).
func mounts(u *Unit, a spec.Accessory, p place) error {
	var errs []error
	add := func(text string) {
		m, err := container.ParseVolume(text)
		if m.Kind == container.Bind && !path.IsAbs(m.Source) {
			m.Source = path.Join(p.home, m.Source)
		}
		u.Spec.Mounts, errs = append(u.Spec.Mounts, m), append(errs, err)
	}
	with := func(source string, m spec.FileMount) {
		text := source + ":" + m.Remote
		if m.Options != "" {
			text += ":" + m.Options
		}
		add(text)
	}
	for _, v := range a.Volumes {
		add(v)
	}
	for i, f := range p.files {
		f.Path = path.Join(a.Service, f.Path)
		u.Mounted = append(u.Mounted, f)
		u.Spec.Labels[labelFile+a.Files[i].Remote] = made(f)
		with(path.Join(p.home, f.Path), a.Files[i])
	}
	for _, m := range a.Directories {
		source := m.Local
		if !path.IsAbs(source) {
			source = path.Join(p.home, a.Service, m.Local)
		}
		with(source, m)
		mode, err := modeOf(m.Mode, 0)
		errs = append(errs, err)
		// A path of the host's own is absolute, one in the home folder is not.
		f := plan.File{Path: strings.TrimPrefix(source, p.home+"/"), Mode: mode, Owner: m.Owner, Folder: true}
		u.Mounted = append(u.Mounted, f)
		u.Spec.Labels[labelFile+m.Remote] = made(f)
	}
	return errors.Join(errs...)
}

// Hosts returns the hosts of units, sorted, each once.
func Hosts(units []Unit) []string {
	var names []string
	for _, u := range units {
		names = append(names, u.Host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
