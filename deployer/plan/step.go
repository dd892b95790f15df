package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Step is one thing to do on one host. Each is idempotent: done twice, it
// changes nothing the second time. The set is sealed.
type Step interface {
	fmt.Stringer
	step()
}

// Ref points at a container: one that exists by ID, or, with an empty ID, the
// one that the unit's Create makes.
type Ref struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
}

type (
	// MakeNetwork makes Kamal's network exist.
	MakeNetwork struct{}
	// BootProxy makes the host's reverse proxy run.
	BootProxy struct {
		Run     ProxyRun
		Present bool // a stopped one exists and is started
	}
	// PutFiles puts files in place. Strict ones only their owner may read. Unit is
	// the accessory whose they are, zero where the host's proxy reads them.
	PutFiles struct {
		Files  []File
		Strict bool
		Unit   Unit
	}
	// Pull makes the image exist on the host under its version's tag.
	Pull struct{ Image Image }
	// Create makes a unit's container, not started. Replaces, where not nil,
	// has its name and is renamed first.
	Create struct {
		Unit     Unit
		Replaces *Ref
	}
	// Start starts a container.
	Start struct {
		Unit Unit
		Ref  Ref
	}
	// Await waits until the container works, or says why it does not. Up tells
	// that it was not just started: what it went through before does not count.
	Await struct {
		Unit Unit
		Ref  Ref
		Up   bool
	}
	// Switch sends the unit's traffic to the container and drains the one that
	// had it.
	Switch struct {
		Unit  Unit
		Ref   Ref
		More  []Ref // of further replicas, which share the traffic
		Route Route
	}
	// Split sends a share of the unit's clients to the container; the others stay
	// with the one that has the traffic. A Switch of the unit ends it.
	Split struct {
		Unit  Unit
		Ref   Ref
		More  []Ref // of further replicas, which share it
		Route Route
	}
	// Unsplit sends all clients to the one that has the traffic.
	Unsplit struct{ Route Route }
	// Unroute takes the route away: there is nothing to go back to.
	Unroute struct{ Service string }
	// Stop ends a container; it stays on the host.
	Stop struct {
		Ref     Ref
		Timeout time.Duration
		Why     string
	}
	// Tag gives the image the tag by which Kamal knows the current version.
	Tag struct{ Image Image }
	// Prune removes containers and images beyond what is retained.
	Prune struct {
		Remove []Ref
		Images []string // tags that nothing needs any more
	}
	// DropFolders removes the certificates or error pages that Roles had on the
	// host.
	DropFolders struct {
		Folder string   // of the lane's, relative to the user's home
		Roles  []string // whose they are
		Keep   []string // names in Folder that are in use
	}
)

func (MakeNetwork) step() {}
func (BootProxy) step()   {}
func (PutFiles) step()    {}
func (Pull) step()        {}
func (Create) step()      {}
func (Start) step()       {}
func (Await) step()       {}
func (Switch) step()      {}
func (Split) step()       {}
func (Unsplit) step()     {}
func (Unroute) step()     {}
func (Stop) step()        {}
func (Tag) step()         {}
func (Prune) step()       {}

func (DropFolders) step() {}

func (MakeNetwork) String() string { return "make network " + Network }
func (s BootProxy) String() string { return "boot proxy" }
func (s PutFiles) String() string  { return "put " + release.Count(len(s.Files), "file") }
func (s Pull) String() string      { return "pull " + s.Image.Ref() }
func (s Create) String() string    { return "create " + s.Unit.Name }
func (s Start) String() string     { return "start " + s.Ref.Name }
func (s Await) String() string     { return "await health of " + s.Ref.Name }
func (s Switch) String() string {
	return "switch " + s.Route.Service + " to " + s.Ref.Name + several(s.More)
}
func (s Split) String() string {
	return fmt.Sprintf("send %d%% of %s to %s", s.Unit.Share, s.Route.Service, s.Ref.Name+several(s.More))
}
func (s Unsplit) String() string { return "send all of " + s.Route.Service + " to its old container" }
func (s Unroute) String() string { return "remove route " + s.Service }
func (s Stop) String() string    { return "stop " + s.Ref.Name }
func (s Tag) String() string     { return "tag " + s.Image.Name + ":" + s.Image.Latest }
func (s Prune) String() string   { return "prune " + release.Count(len(s.Remove), "container") }

func (s DropFolders) String() string { return "remove old folders of " + s.Folder }

// StageName says what a stage is for.
type StageName string

// The stages of a rollout, in order. StageStart and StageSwitch repeat where
// hosts switch in groups. StageSplit tries out what has started.
const (
	StageBeside  StageName = "beside" // accessories
	StagePrepare StageName = "prepare"
	StageStart   StageName = "start"
	StageSplit   StageName = "split"
	StageSwitch  StageName = "switch"
	StageFollow  StageName = "follow"
	StageFinish  StageName = "finish"
	StageBack    StageName = "back"
)

// Stage is what may go on at the same time on several hosts; within a host the
// steps go one after another. The next stage begins only when all hosts have
// done this one: that is the gate.
type Stage struct {
	Name  StageName
	Steps map[string][]Step // by host
	Wait  time.Duration     // after the stage
	// Watch are the canaries: they are watched for Window before the next stage.
	Watch  []Watched
	Window time.Duration
}

func (s *Stage) add(host string, steps ...Step) {
	if len(steps) == 0 {
		return
	}
	if s.Steps == nil {
		s.Steps = map[string][]Step{}
	}
	s.Steps[host] = append(s.Steps[host], steps...)
}

// abreast has each host start everything before it waits for the first, where
// the roles of one start at the same time.
func (s Stage) abreast(d Desired) Stage {
	if !d.Policy.Abreast {
		return s
	}
	turn := func(s Step) int {
		switch s.(type) {
		case Start:
			return 0
		case Await:
			return 1
		}
		return 2
	}
	for _, steps := range s.Steps {
		slices.SortStableFunc(steps, func(a, b Step) int { return turn(a) - turn(b) })
	}
	return s
}

// Tells says how a release stands while the stage is done, as a message; the
// status is empty for what comes after the watch.
func (st Stage) Tells(version string) (release.Status, string) {
	switch st.Name {
	case StageFinish:
		return "", ""
	case StageBeside, StagePrepare, StageStart:
		return release.Preparing, "preparing " + version + " on all hosts"
	}
	return release.Switching, "all hosts are ready; switching to " + version
}
