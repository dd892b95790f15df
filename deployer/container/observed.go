package container

import (
	"slices"
	"strings"
	"time"
)

// Observed is one container as a host's engine showed it.
type Observed struct {
	ID   string // 64 hex digits
	Name string // without the slash
	// Spec is what whoever created the container asked for: the engine's view
	// minus all that the image itself sets (see Defaults) and what the engine
	// makes up.
	Spec Spec
	// Image is the image the container was made of.
	Image   ImageFacts
	State   State
	Created time.Time
	// Addresses maps each network the container is in to its IP address there;
	// a stopped container has empty addresses.
	Addresses map[string]string
	// Ignored says which limits this host's kernel cannot enforce; the engine
	// discards them when a container is created, so they are not compared.
	Ignored Ignored
}

// Nameless is a path in the container whose data is in a volume that has no
// name, as an image's VOLUME makes where nothing is mounted: it is lost with the
// container. "" for none.
func (o Observed) Nameless() string {
	for _, v := range o.Image.Defaults.Volumes {
		if !slices.ContainsFunc(o.Spec.Mounts, func(m Mount) bool { return m.Target == v }) {
			return v
		}
	}
	for _, m := range o.Spec.Mounts {
		if m.Kind == Volume && m.Source == "" {
			return m.Target
		}
	}
	return ""
}

// ImageFacts is what an image brings into every container made of it.
type ImageFacts struct {
	ID          string   // "sha256:…"
	RepoTags    []string // "repo:tag"
	RepoDigests []string // "repo@sha256:…"
	Defaults    Defaults
}

// HasDigest tells whether the image is known, under any repository's name, by
// a registry's digest ("sha256:…").
func (f ImageFacts) HasDigest(digest string) bool {
	for _, d := range f.RepoDigests {
		if _, sum, ok := strings.Cut(d, "@"); ok && digest != "" && sum == digest {
			return true
		}
	}
	return false
}

// Defaults is the part of an image's configuration that a container takes over
// where it sets nothing itself (OCI image spec, "config"). Its environment is
// public: it can be read by whoever can pull the image.
type Defaults struct {
	Cmd, Entrypoint []string
	Env             map[string]string
	Labels          map[string]string
	User            string
	WorkingDir      string
	Volumes         []string // paths in the container
	Expose          []string // "3000/tcp"
	Health          *Healthcheck
	StopSignal      string
}

// Ignored names limits that a host's kernel lacks.
type Ignored struct {
	Memory, Swap, CPUShares, CPUQuota, CPUSet, Pids bool
}

// Status is where a container is in its life.
type Status string

// The engine's statuses.
const (
	Created    Status = "created"
	Running    Status = "running"
	Paused     Status = "paused"
	Restarting Status = "restarting"
	Removing   Status = "removing"
	Exited     Status = "exited"
	Dead       Status = "dead"
)

// Health is the engine's verdict of the health check.
type Health string

// The engine's verdicts; NoHealth is a container without a health check.
const (
	NoHealth  Health = "none"
	Starting  Health = "starting"
	Healthy   Health = "healthy"
	Unhealthy Health = "unhealthy"
)

// State is what changes while a container lives.
type State struct {
	Status       Status
	ExitCode     int // of the last end; 0 while it runs
	OOMKilled    bool
	Error        string // why the last start failed
	StartedAt    time.Time
	FinishedAt   time.Time // zero when it never ended
	Health       Health
	HealthLog    []HealthProbe // oldest first, at most five
	RestartCount int           // restarts by the restart policy
}

// Killed is the exit code of a process that SIGKILL ended (128 + 9, as shells
// have it): an engine's or a person's doing, or want of memory.
const Killed = 137

// Ending is how a container's process ended.
type Ending struct {
	ExitCode  int
	OOMKilled bool
}

// IsUp tells whether a process of the container runs now.
func (s State) IsUp() bool { return s.Status == Running || s.Status == Paused }

// HealthProbe is one run of the health check.
type HealthProbe struct {
	Start, End time.Time
	ExitCode   int
	Output     string // at most 4 KiB, control characters removed
}

// A Change is one field in which a container differs from what is wanted.
type Change struct {
	Field string // such as "env.RAILS_ENV" or "resources.memory"
	// Was and Want are for people; a secret shows as secret.Redacted, and what
	// is absent as the empty string.
	Was, Want string
}
