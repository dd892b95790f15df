package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/assets"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/boot"
	"github.com/fairlead-deploy/fairlead/deployer/plan/front"
	"github.com/fairlead-deploy/fairlead/deployer/plan/option"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/release"
)

// The labels on app containers. The first three are Kamal's; the others are
// ours and say where a container came from, so they are never compared.
const (
	LabelService     = seen.LabelService
	LabelRole        = seen.LabelRole
	LabelDestination = seen.LabelDestination
	LabelRelease     = seen.LabelRelease
	LabelRevision    = "fairlead.revision"
	LabelRoute       = "fairlead.route"
	LabelReplica     = seen.LabelReplica
	ownLabels        = "fairlead."
)

// How a unit is probed where nothing says otherwise, as Kamal probes.
const (
	defaultInterval = time.Second
	defaultTimeout  = 5 * time.Second
	defaultRetries  = 3
)

// Network is the network that Kamal puts every container in.
const Network = "kamal"

// Desired is what a lane's hosts should run.
type Desired struct {
	Lane    release.Lane
	Release release.ID
	Version string
	Image   Image
	Units   []Unit // sorted by host, then the primary role, then by name
	// Keys are all roles on all hosts, once each, those that Only left out included; nil
	// means those of Units.
	Keys   []Key
	Policy Policy
	// Force asks for new containers even where nothing differs.
	Force bool
	// ProxyRun has the hosts that need a reverse proxy.
	ProxyRun map[string]ProxyRun
}

// Image is the one image of a release.
type Image struct {
	Name    string // "ghcr.io/acme/shop"
	Version string // the tag that retained images carry on the hosts
	Digest  string // "sha256:…"; empty where no registry knows the image
	Latest  string // "latest" or "latest-DEST"
}

// Ref is the tag that the image has on a host: NAME:VERSION.
func (i Image) Ref() string { return i.Name + ":" + i.Version }

// Pull is what is asked of the registry: by digest where it is known, so that
// all hosts get the same bytes though a tag moves.
func (i Image) Pull() string {
	if i.Digest == "" {
		return i.Ref()
	}
	return i.Name + "@" + i.Digest
}

// Kind is how a unit's containers are replaced.
type Kind string

// The kinds of unit (DESIGN: kinds of role).
const (
	// Proxied: started and healthy first, then traffic moves, then the old stops.
	Proxied Kind = "proxied"
	// Plain: started only after the primary role has its traffic; then the old stops.
	Plain Kind = "without proxy"
	// StopFirst: the old is stopped before the new starts, because both cannot run.
	StopFirst Kind = "stop-first"
)

// Unit is one role on one host, or one of several of it there: the smallest
// thing that is replaced.
type Unit struct {
	Host    string
	Role    string
	Replica int // 0 is the first
	Primary bool
	Kind    Kind
	Why     string // why it is of this kind, where that is not plain
	Name    string // the container's: SERVICE-ROLE[-DEST]-VERSION
	Spec    container.Spec
	// Pin is the id of a retained container that shall do the unit's work as it
	// is, whatever Spec says: a rollback. Empty otherwise.
	Pin    string
	Clear  map[string]bool // variables whose value may be shown
	Route  *Route          // of proxied units
	Files  []File          // put on the host before anything uses them
	Assets assets.Place    // bridged to the version before; its Path is "" where there are none
	Health Health
	// Canary is how many hosts of the role go first and are watched before any
	// other follows; 0 is none. Share is, in its place, the percentage of the
	// role's clients that are sent to the new containers first. CanaryFor is for
	// how long; 0 is the policy's window.
	Canary, Share int
	CanaryFor     time.Duration
	// Group and Wait are the role's own, where not 0; else the policy's.
	Group int
	Wait  time.Duration
	// StopTimeout is how long the container has between SIGTERM and SIGKILL.
	StopTimeout time.Duration
}

// File is a file for the host, such as a certificate.
type File = front.File

// Key returns the unit's host, role and replica.
func (u Unit) Key() Key { return Key{Host: u.Host, Role: u.Role, Replica: u.Replica} }

// Health is how a unit shows that it works. At most one of HTTP, TCP and Cmd
// is set; with none it must keep running, and be healthy where its image has a
// HEALTHCHECK.
type Health struct {
	HTTP     string        `json:"http,omitempty"` // path, such as "/up"
	TCP      int           `json:"tcp,omitempty"`  // port
	Cmd      []string      `json:"cmd,omitempty"`  // argv run in the container
	Port     int           `json:"port,omitempty"` // of HTTP
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`
	Retries  int           `json:"retries"` // failures in a row that count, once live
	// Deadline is how long a new container may take, Readiness how long one
	// without any check must run.
	Deadline  time.Duration `json:"deadline"`
	Readiness time.Duration `json:"readiness"`
}

// Route is what a host's reverse proxy is told of a unit.
type Route = option.Route

// ProxyRun is how a host's reverse proxy is started where none runs.
type ProxyRun = boot.ProxyRun

// Policy is how a lane rolls out.
type Policy struct {
	Window     time.Duration // watched after the switch
	Group      int           // hosts that switch together; 0 = all
	Wait       time.Duration // between groups
	Abreast    bool          // roles of one host start at the same time
	Retain     int           // old containers kept per role
	Good       []string      // ids of releases that succeeded
	Failed     []string      // ids of releases known to have failed: theirs are not retained
	Rollback   bool          // go back by itself on failure
	Orphans    bool          // running containers that are not wanted any more are ended …
	OrphanStop time.Duration // … within this time
}

// Identity names what a release is made of: its image and its configuration,
// without the secrets' values. Two commits of one identity fail alike, so a
// quarantine is kept by it.
func (d Desired) Identity() string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode([]any{d.Lane, d.Image.Name, d.Image.Digest, d.Image.Version})
	for _, u := range d.Units {
		s := u.Spec
		s.Labels = maps.Clone(s.Labels)
		maps.DeleteFunc(s.Labels, func(k, _ string) bool { return k == LabelRelease || k == LabelRevision })
		clear := map[string]string{}
		for name, v := range s.Env {
			clear[name] = ""
			if u.Clear[name] {
				clear[name] = v.Reveal()
			}
		}
		s.Env = nil
		_ = enc.Encode([]any{u.Key(), u.Kind, u.Name, s, clear, u.Route, u.Health})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Only returns the desired state with the units of these roles and hosts;
// empty lists mean all. A trailing * matches any end, as in Kamal's --roles.
func (d Desired) Only(roles, hosts []string) Desired {
	d.Units = slices.DeleteFunc(slices.Clone(d.Units), func(u Unit) bool {
		return !matches(roles, u.Role) || !matches(hosts, u.Host)
	})
	return d
}

// Without returns the desired state without the units of these hosts, which
// are left out for now; what runs there is no orphan.
func (d Desired) Without(hosts map[string]string) Desired {
	d.Units = slices.DeleteFunc(slices.Clone(d.Units), func(u Unit) bool {
		_, out := hosts[u.Host]
		return out
	})
	return d
}

// Stay returns the desired state with some units pinned to the containers that
// do their work now: nothing is asked of these but that they do it.
func (d Desired) Stay(units []Key, o Observed) Desired {
	d.Units = slices.Clone(d.Units)
	for i, u := range d.Units {
		if now := decide(d, o, u).now; now != nil && slices.Contains(units, u.Key()) {
			d.Units[i].Pin = now.ID
		}
	}
	return d
}

func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		prefix, wild := strings.CutSuffix(p, "*")
		return p == name || wild && strings.HasPrefix(name, prefix)
	})
}

// Hosts returns the hosts of the units, sorted, each once: the order in which
// they are locked.
func (d Desired) Hosts() []string {
	seen := map[string]bool{}
	for _, u := range d.Units {
		seen[u.Host] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
