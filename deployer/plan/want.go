package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/assets"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/boot"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Inputs is what deploy.yml does not hold: which image it came to be, the
// secrets, and who asks.
type Inputs struct {
	Release  release.ID
	Revision release.Revision
	Version  string
	Digest   string // of the image; empty where no registry knows it
	Secrets  map[string]secret.Value
	// Home is the ssh user's home folder by host, for relative volumes; a host
	// without one cannot have them.
	Home map[string]string
	// Environment is each host's login environment, for ${NAME} in clear
	// values; only hosts with such values need one.
	Environment map[string]map[string]string
	// Good are the ids of the releases that succeeded.
	Good []string
	// Failed are the ids of the releases that are known to have failed.
	Failed []string
	// Scale is how many containers per host a person wants of roles, in place of
	// what deploy.yml says.
	Scale map[string]int
}

// scale is how many containers of a role a host gets.
func (in Inputs) scale(role spec.Role) int { return max(cmp.Or(in.Scale[role.Name], role.Scale), 1) }

// Want turns a deploy.yml into what the hosts should run. It errs when a
// secret is missing or an option cannot be read, all at once.
func Want(d *spec.Deploy, in Inputs) (Desired, error) {
	lane := release.Lane{Service: d.Service, Destination: d.Destination}
	want := Desired{
		Lane:    lane,
		Release: in.Release,
		Version: in.Version,
		Image: Image{
			Name: d.Image.Name(), Version: in.Version, Digest: in.Digest,
			Latest: joined("latest", d.Destination),
		},
		Policy: Policy{
			Window: d.XFairlead.Window, Wait: d.Boot.Wait, Retain: d.RetainContainers, Abreast: d.Boot.ParallelRoles,
			Rollback: d.XFairlead.OnFailure != spec.OnFailureHalt, Orphans: d.XFairlead.Prune,
			OrphanStop: d.DrainTimeout,
			Good:       in.Good, Failed: in.Failed,
		},
		ProxyRun: map[string]ProxyRun{},
	}
	if !d.Boot.Limit.IsZero() {
		want.Policy.Group = d.Boot.Limit.Of(len(d.Hosts()))
	}
	var errs []error
	for _, role := range d.Roles {
		for _, host := range role.Hosts {
			want.Keys = append(want.Keys, Key{Host: host.Address, Role: role.Name})
			for replica := range in.scale(role) {
				u, err := unitOf(d, in, role, host, replica)
				errs = append(errs, err)
				want.Units = append(want.Units, u)
			}
			if role.Proxied {
				run, err := boot.Run(d, role.Proxy.Run, in.Secrets)
				errs = append(errs, err)
				want.ProxyRun[host.Address] = run
			}
		}
	}
	slices.SortStableFunc(want.Units, func(a, b Unit) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), -compareBool(a.Primary, b.Primary), cmp.Compare(a.Role, b.Role))
	})
	return want, errors.Join(errs...)
}

func unitOf(d *spec.Deploy, in Inputs, role spec.Role, host spec.HostEntry, replica int) (Unit, error) {
	lane := release.Lane{Service: d.Service, Destination: d.Destination}
	u := Unit{
		Host: host.Address, Role: role.Name, Primary: role.Primary, Replica: replica,
		Name:        unitName(lane, role.Name) + "-" + in.Version + seen.Suffix(replica),
		StopTimeout: role.StopTimeout,
		Health:      healthOf(d, role),
	}
	env, clear, err := envOf(d, in, u)
	u.Clear = clear
	u.Spec = container.Spec{
		Image:       d.Image.Ref(in.Version),
		ImageDigest: in.Digest,
		Cmd:         role.Cmd.Args,
		Env:         env,
		Labels:      maps.Clone(role.Labels),
		Network:     Network,
		Log:         container.Log{Driver: role.Logging.Driver, Options: role.Logging.Options},
	}
	if u.Spec.Labels == nil {
		u.Spec.Labels = map[string]string{}
	}
	identity := map[string]string{
		LabelService: d.Service, LabelRole: role.Name, LabelDestination: d.Destination,
		LabelRelease: string(in.Release), LabelRevision: in.Revision.SHA,
	}
	if replica > 0 {
		identity[LabelReplica] = strconv.Itoa(replica + 1)
	}
	maps.Copy(u.Spec.Labels, identity)
	errs := []error{err, volumes(&u.Spec, d.Volumes, in.Home[host.Address]), restartPolicy(&u.Spec, role.Restart)}
	if slices.ContainsFunc(role.Options["network"], isMode) {
		u.Spec.Network = "" // a mode takes the place of a network
	}
	if err := container.ApplyOptions(&u.Spec, role.Options); err != nil {
		errs = append(errs, fmt.Errorf("servers.%s.options: %w", role.Name, err))
	}
	if traefik.Keeps(d) {
		traefik.Hide(u.Spec.Labels) // after the options, which may have labels, too
	}
	if err := identityKept(u.Spec.Labels, identity, role.Name); err != nil {
		errs = append(errs, err)
	}
	if role.Proxied && role.AssetPath != "" {
		u.Assets = assets.In(in.Home[host.Address], lane.String(), role.Name, role.AssetPath)
		errs = append(errs, volumes(&u.Spec, []string{u.Assets.Mount(in.Version)}, ""))
	}
	if role.Proxied {
		r := routeOf(d, role)
		if role.Proxy.SSL.Custom() {
			u.Files = certificate(&r, lane, role, in.Secrets)
		}
		u.Files = append(u.Files, errorPages(&r, lane, role.Name, d.ErrorPages)...)
		u.Route = &r
		u.Spec.Labels[LabelRoute] = r.Label()
	}
	if replica > 0 {
		u.Files = nil // the first has them put there for all
	}
	u.Kind, u.Why = kindOf(role, u.Spec)
	if n := in.scale(role); n > 1 && u.Kind == StopFirst {
		errs = append(errs, fmt.Errorf("x-fairlead.roles.%s.scale: %d containers cannot run side by side on a host: %s; take that away, or the scale", role.Name, n, u.Why))
	}
	u.Wait = role.Wait
	switch role.Strategy {
	case spec.StrategyRolling:
		u.Group = 1
		if !d.Boot.Limit.IsZero() {
			u.Group = d.Boot.Limit.Of(len(d.Hosts()))
		}
		u.Why = cmp.Or(u.Why, "rolling")
	case spec.StrategyCanary:
		errs = append(errs, canaryOf(&u, role, cmp.Or(role.Canary.For, d.XFairlead.Window)))
	}
	return u, errors.Join(errs...)
}

// canaryOf says who meets a new version first, and for how long.
func canaryOf(u *Unit, role spec.Role, lasts time.Duration) error {
	u.CanaryFor = role.Canary.For
	if u.Share = role.Canary.Percent; u.Share == 0 {
		u.Canary = role.Canary.Hosts.Of(len(role.Hosts))
		u.Why = cmp.Or(u.Why, fmt.Sprintf("canary, %d of %s first, for %s", min(u.Canary, len(role.Hosts)), release.Count(len(role.Hosts), "host"), lasts))
		return nil
	}
	if u.Kind != Proxied {
		return fmt.Errorf("x-fairlead.roles.%s.canary.percent: the old and the new container cannot share the requests: %s; "+
			"take that away, or the canary", role.Name, cmp.Or(u.Why, "it has no proxy"))
	}
	u.Why = fmt.Sprintf("canary, %d%% of the clients first, for %s", u.Share, lasts)
	return nil
}

// identityKept errs when options set a label that containers are found by.
func identityKept(labels, identity map[string]string, role string) error {
	for _, key := range slices.Sorted(maps.Keys(identity)) {
		if labels[key] != identity[key] {
			return fmt.Errorf("servers.%s.options: the label %s is reserved: containers are found by it", role, key)
		}
	}
	return nil
}

// isMode tells a mode of networking from a network's name (docker run --network).
func isMode(network string) bool {
	return network == "host" || network == "none" || strings.HasPrefix(network, "container:")
}

// kindOf decides how a role's containers are replaced.
func kindOf(role spec.Role, s container.Spec) (Kind, string) {
	switch {
	case role.Strategy == spec.StrategyStopFirst:
		return StopFirst, "x-fairlead says so"
	case s.Network == "host":
		return StopFirst, "it uses the host's network"
	case slices.ContainsFunc(s.Ports, func(p container.Port) bool { return p.HostPort != 0 }):
		return StopFirst, "it publishes a port"
	case role.Proxied:
		return Proxied, ""
	default:
		return Plain, ""
	}
}

// envOf builds a container's environment: deploy.yml's, then Kamal's own
// variables (Kamal 2.12, container names and environment).
func envOf(d *spec.Deploy, in Inputs, u Unit) (env map[string]secret.Value, clear map[string]bool, err error) {
	plain, refs := d.EnvFor(u.Role, u.Host)
	env, clear = map[string]secret.Value{}, map[string]bool{}
	set := func(name, value string) { env[name], clear[name] = secret.New(value), true }
	for name, value := range plain {
		set(name, Expand(value, in.Environment[u.Host]))
	}
	var errs []error
	for _, ref := range refs {
		v, ok := ref.Literal, true
		if ref.Source != "" {
			v, ok = in.Secrets[ref.Source]
		}
		if !ok {
			errs = append(errs, fmt.Errorf("env of %s: secret %s is missing", u.Role, ref.Source))
		}
		env[ref.Name] = v
	}
	set("KAMAL_CONTAINER_NAME", u.Name)
	set("KAMAL_VERSION", in.Version)
	set("KAMAL_HOST", u.Host)
	if d.Destination != "" {
		set("KAMAL_DESTINATION", d.Destination)
	}
	return env, clear, errors.Join(errs...)
}

// reference is the one form that clear values take from the host: ${NAME}.
// Kamal leaves it to the host's shell (Kamal 2.12, Kamal::Utils).
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// Expand fills ${NAME} with the host's variable, empty where it has none.
func Expand(value string, host map[string]string) string {
	return reference.ReplaceAllStringFunc(value, func(ref string) string {
		return host[ref[2:len(ref)-1]]
	})
}

// NeedsEnvironment tells whether a host's clear values refer to its login
// environment.
func NeedsEnvironment(d *spec.Deploy, host string) bool {
	for _, role := range d.Roles {
		if !slices.ContainsFunc(role.Hosts, func(h spec.HostEntry) bool { return h.Address == host }) {
			continue
		}
		clear, _ := d.EnvFor(role.Name, host)
		for _, value := range clear {
			if reference.MatchString(value) {
				return true
			}
		}
	}
	return slices.ContainsFunc(d.Accessories, func(a spec.Accessory) bool {
		return slices.ContainsFunc(a.Hosts, func(h spec.HostEntry) bool { return h.Address == host }) &&
			slices.ContainsFunc(slices.Collect(maps.Values(a.Env.Clear)), reference.MatchString)
	})
}

func volumes(s *container.Spec, list []string, home string) error {
	var errs []error
	for _, v := range list {
		m, err := container.ParseVolume(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("volumes: %w", err))
			continue
		}
		if m.Kind == container.Bind && !path.IsAbs(m.Source) {
			m.Source = path.Join(home, m.Source)
		}
		s.Mounts = append(s.Mounts, m)
	}
	return errors.Join(errs...)
}

func restartPolicy(s *container.Spec, policy string) error {
	return container.ApplyOptions(s, map[string][]string{"restart": {cmp.Or(policy, "unless-stopped")}})
}

func healthOf(d *spec.Deploy, role spec.Role) Health {
	h := Health{
		Interval: defaultInterval, Timeout: defaultTimeout, Retries: defaultRetries,
		Deadline: d.DeployTimeout, Readiness: d.ReadinessDelay,
	}
	if role.Proxied {
		check := role.Proxy.Healthcheck
		h.HTTP, h.Port = check.Path, role.Proxy.AppPort
		h.Interval, h.Timeout = check.Interval, check.Timeout
	}
	if own := role.Health; own != nil {
		h.Interval = cmp.Or(own.Interval, h.Interval)
		h.Timeout = cmp.Or(own.Timeout, h.Timeout)
		h.Retries = cmp.Or(own.Retries, h.Retries)
		switch {
		case own.HTTP != nil:
			h.HTTP, h.Port = own.HTTP.Path, cmp.Or(own.HTTP.Port, h.Port)
		case own.TCP != 0:
			h.HTTP, h.TCP = "", own.TCP
		case !own.Cmd.IsZero():
			h.HTTP, h.Cmd = "", own.Cmd.Args
		}
	}
	return h
}

func routeOf(d *spec.Deploy, role spec.Role) Route {
	p := role.Proxy
	lane := release.Lane{Service: d.Service, Destination: d.Destination}
	r := Route{
		Service: unitName(lane, role.Name), Port: p.AppPort,
		Hosts: p.Hosts, PathPrefixes: p.PathPrefixes, StripPrefix: p.StripPathPrefix && len(p.PathPrefixes) > 0,
		TLS: p.SSL.Enabled, TLSRedirect: p.SSLRedirect && p.SSL.Enabled, ForwardHeaders: p.ForwardHeaders,
		HealthPath: p.Healthcheck.Path, HealthInterval: p.Healthcheck.Interval, HealthTimeout: p.Healthcheck.Timeout,
		DeployTimeout: d.DeployTimeout, DrainTimeout: d.DrainTimeout, ResponseTimeout: p.ResponseTimeout,
		BufferRequests: p.Buffering.Requests, BufferResponses: p.Buffering.Responses,
		BufferMemory: p.Buffering.Memory, MaxRequestBody: p.Buffering.MaxRequestBody, MaxResponseBody: p.Buffering.MaxResponseBody,
		LogRequest: p.LogRequestHeaders, LogResponse: p.LogResponseHeaders,
	}
	return r
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "-")
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
