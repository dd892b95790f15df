// Package release holds the nouns that every room of Fairlead shares: what a
// commit is (Revision), what asks for it (Request, Cause), what came of it
// (Release, Status, Failure), and the shown forms that the API, messages and
// the store may see (Change, HostOutcome).
//
// It is pure: no I/O, no clock, nothing that is not a value. What a container,
// a plan or a deploy.yml is does not live here; only how they are shown.
package release

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Revision is one commit of a watched repository.
type Revision struct {
	Repo    string    `json:"repo"`    // name in fairlead.yml
	Ref     string    `json:"ref"`     // full name, e.g. "refs/heads/main"
	SHA     string    `json:"sha"`     // 40 hex digits
	Author  string    `json:"author"`  // "Ana Lee <ana@example.com>", as Git has it
	Subject string    `json:"subject"` // first line of the commit message, unescaped
	Time    time.Time `json:"time"`    // committer time
}

// Short returns the first seven digits of the commit, as people write it.
func (r Revision) Short() string { return r.SHA[:min(7, len(r.SHA))] }

// ImageTag fills a pattern such as "sha-{sha7}" with the commit's name: {sha}
// is all of it, {sha7} (any number from 4) its beginning.
func (r Revision) ImageTag(pattern string) string {
	for n := 4; n <= len(r.SHA); n++ {
		pattern = strings.ReplaceAll(pattern, fmt.Sprintf("{sha%d}", n), r.SHA[:n])
	}
	return strings.ReplaceAll(pattern, "{sha}", r.SHA)
}

// Branch returns the short name of the ref: "main" for "refs/heads/main".
func (r Revision) Branch() string {
	return strings.TrimPrefix(strings.TrimPrefix(r.Ref, "refs/heads/"), "refs/tags/")
}

// CauseKind says what kind of thing asked for a look or a rollout.
type CauseKind string

// The kinds of cause.
const (
	CausePoll      CauseKind = "poll"
	CauseWebhook   CauseKind = "webhook"
	CausePush      CauseKind = "push" // received by the daemon itself
	CauseSchedule  CauseKind = "schedule"
	CauseStart     CauseKind = "start" // the daemon started or reloaded
	CauseReconcile CauseKind = "reconcile"
	CauseManual    CauseKind = "manual" // a person: deploy, rollback, retry, resume
	CauseRetry     CauseKind = "retry"  // a world fault was waited out
)

// Cause is why something happens.
type Cause struct {
	Kind   CauseKind `json:"kind"`
	Actor  string    `json:"actor,omitempty"`  // the person, for CauseManual
	Detail string    `json:"detail,omitempty"` // e.g. the forge's delivery id
}

func (c Cause) String() string {
	s := string(c.Kind)
	if c.Actor != "" {
		s += " by " + c.Actor
	}
	return s
}

// Lane names one service in one destination: the unit that rolls out alone.
type Lane struct {
	Service     string `json:"service"`
	Destination string `json:"destination,omitempty"`
}

// String returns "shop" or "shop-production", Kamal's spelling.
func (l Lane) String() string {
	if l.Destination == "" {
		return l.Service
	}
	return l.Service + "-" + l.Destination
}

// Request asks a lane to make the servers match a revision.
type Request struct {
	Revision    Revision `json:"revision"`
	Destination string   `json:"destination,omitempty"`
	Cause       Cause    `json:"cause"`
	// Release names the release that comes of it, where whoever asks was told
	// the name beforehand; else it gets one when its turn comes.
	Release ID `json:"release,omitempty"`

	// Version asks for an existing image version instead of the revision's own
	// (deploy --version, rollback VERSION). Empty: the revision decides.
	Version string `json:"version,omitempty"`
	// Rollback asks for the last release that succeeded before the current one,
	// or, with Version, for that one.
	Rollback bool `json:"rollback,omitempty"`
	// Scale asks for so many containers per host of roles, of what was live last
	// (app scale). nil: as deploy.yml says.
	Scale map[string]int `json:"scale,omitempty"`
	// Retry lifts a quarantine of this revision's identity first.
	Retry bool `json:"retry,omitempty"`
	// Resume ends a hold first.
	Resume bool `json:"resume,omitempty"`
	// Force rolls out even where nothing differs.
	Force bool `json:"force,omitempty"`
	// SkipHooks runs none of the hooks.
	SkipHooks bool     `json:"skip_hooks,omitempty"`
	Roles     []string `json:"roles,omitempty"` // only these roles; empty = all
	Hosts     []string `json:"hosts,omitempty"` // only these hosts; empty = all
}

// Only says to which roles and hosts the request is limited, "web on h1"; ""
// where it means all.
func (r Request) Only() string {
	var words []string
	if len(r.Roles) > 0 {
		words = append(words, strings.Join(r.Roles, ", "))
	}
	if len(r.Hosts) > 0 {
		words = append(words, "on "+strings.Join(r.Hosts, ", "))
	}
	return strings.Join(words, " ")
}

// Chooses tells whether a person chose what runs, by a version or a number of
// containers: Git is not followed before a resume.
func (r Request) Chooses() bool { return r.Rollback || r.Version != "" || r.Scale != nil }

// Scaled are the numbers of containers that were asked for before with those
// that are asked for now; nil for none.
func (r Request) Scaled(before map[string]int) map[string]int {
	if len(before)+len(r.Scale) == 0 {
		return nil
	}
	all := map[string]int{}
	maps.Copy(all, before)
	maps.Copy(all, r.Scale)
	return all
}

// Wish is what a person who chose what runs typed, "" where Git decides.
func (r Request) Wish() string {
	if !r.Chooses() {
		return ""
	}
	if r.Scale != nil {
		var words []string
		for _, role := range slices.Sorted(maps.Keys(r.Scale)) {
			words = append(words, fmt.Sprintf("%s=%d", role, r.Scale[role]))
		}
		return "app scale " + strings.Join(words, " ")
	}
	if r.Rollback {
		return strings.TrimSpace("rollback " + r.Version)
	}
	return "deploy --version " + r.Version
}

// ID names a release: "20261123-061502-9c1e0aa-3f2a", sortable by time.
type ID string

// NewID makes an ID from the time it is queued, the revision and four hex
// digits of randomness that the caller draws.
func NewID(at time.Time, r Revision, random uint16) ID {
	return ID(fmt.Sprintf("%s-%s-%04x", at.UTC().Format("20060102-150405"), r.Short(), random))
}

// Status is where a release stands.
type Status string

// The statuses. The last six are terminal: they never change again.
const (
	Queued      Status = "queued"
	Planning    Status = "planning"
	Waiting     Status = "waiting" // Reason says for what
	Preparing   Status = "preparing"
	Switching   Status = "switching"
	Watching    Status = "watching"
	RollingBack Status = "rolling_back"

	Succeeded  Status = "succeeded"
	RolledBack Status = "rolled_back"
	Failed     Status = "failed"
	Superseded Status = "superseded"
	NeedsHuman Status = "needs_human"
	Unchanged  Status = "unchanged"
)

// Terminal tells whether a release with this status has ended.
func (s Status) Terminal() bool {
	switch s {
	case Succeeded, RolledBack, Failed, Superseded, NeedsHuman, Unchanged:
		return true
	}
	return false
}

// Meant names what release r of this request puts live, as a message: its
// commit, or what a person asked for.
func (r Request) Meant(of Release, back bool) string {
	switch {
	case r.Scale != nil:
		return of.Version + ", " + r.Wish() + ","
	case back:
		return of.Version + ", rolled back to,"
	case r.Version != "":
		return of.Version
	}
	return of.Revision.Short()
}

// LiveOn says what is live on how many hosts, as a message.
func (r Release) LiveOn(what string, hosts int) string {
	where := Count(hosts, "host")
	if r.Only != "" {
		where += " (only " + r.Only + ")"
	}
	return what + " is live on " + where
}

// UnderWay tells whether a release with this status may have touched hosts and
// not put them right again.
func (s Status) UnderWay() bool {
	switch s {
	case Preparing, Switching, Watching, RollingBack:
		return true
	}
	return false
}

// Release is one attempt to make a lane's servers match a revision.
type Release struct {
	ID       ID       `json:"id"`
	Lane     Lane     `json:"lane"`
	Revision Revision `json:"revision"`
	Cause    Cause    `json:"cause"`
	Status   Status   `json:"status"`
	Reason   string   `json:"reason,omitempty"` // one sentence, for people

	Version  string `json:"version,omitempty"`  // tag, 12 hex of a digest, or commit
	Image    string `json:"image,omitempty"`    // repository with its registry, no tag
	Digest   string `json:"digest,omitempty"`   // "sha256:…", what all hosts run
	Identity string `json:"identity,omitempty"` // digest + resolved configuration, hashed; for quarantine only

	Queued  time.Time `json:"queued"`
	Started time.Time `json:"started,omitzero"` // planning began
	Live    time.Time `json:"live,omitzero"`    // traffic was on the new version everywhere
	Ended   time.Time `json:"ended,omitzero"`

	Hosts    []HostOutcome `json:"hosts,omitempty"`
	Changes  []Change      `json:"changes,omitempty"`
	Only     string        `json:"only,omitempty"` // what a person limited it to, "web on h1"; empty for all roles and hosts
	Failure  *Failure      `json:"failure,omitempty"`
	Hooks    []Hook        `json:"hooks,omitempty"`    // those that began, in that order
	Previous string        `json:"previous,omitempty"` // version that ran before, the rollback's target

	// Asked is what a person typed who chose what runs, "rollback v1"; empty
	// where Git decides.
	Asked string `json:"asked,omitempty"`
	// Target is the commit that it goes back to; Revision is only what Git said
	// then. Nil where that is what it is about.
	Target *Revision `json:"target,omitempty"`
}

// Beside is the commit that the release means, where Git says another one; nil
// where it says the same.
func (r Release) Beside(git Revision) *Revision {
	means := r.Means()
	if means.SHA == git.SHA {
		return nil
	}
	return &means
}

// Means is the commit that the servers are to run.
func (r Release) Means() Revision {
	if r.Target != nil {
		return *r.Target
	}
	return r.Revision
}

// Duration is the time from the beginning of the work to its end, 0 before.
func (r Release) Duration() time.Duration {
	if r.Ended.IsZero() || r.Started.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Started)
}

// Change is one difference between what is desired and what runs, as shown.
type Change struct {
	Host string `json:"host"`
	Role string `json:"role,omitempty"`
	// Replica tells several containers of the role on the host apart; 0 is the
	// first.
	Replica int    `json:"replica,omitempty"`
	Step    string `json:"step"`            // "replace container", "boot proxy", …
	Field   string `json:"field,omitempty"` // "image", "env.RAILS_ENV", …
	Was     string `json:"was,omitempty"`   // redacted where secret
	Want    string `json:"want,omitempty"`
}

// HostOutcome is how a release stands on one host.
type HostOutcome struct {
	Host   string `json:"host"`
	State  string `json:"state"` // "old", "prepared", "new", "unknown", "unreachable"
	Detail string `json:"detail,omitempty"`
}

// Hook is one command of a hook, or its file, that a release began. It is begun
// once: what it did is not undone.
type Hook struct {
	Name      string    `json:"name"`                // "pre-deploy"
	Part      int       `json:"part,omitempty"`      // from 1 where the hook has several commands
	Command   string    `json:"command"`             // as written, or the path of the file in the repository
	Host      string    `json:"host,omitempty"`      // empty: the machine that Fairlead runs on
	Container string    `json:"container,omitempty"` // its id there
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"` // zero while it may still run
	ExitCode  int       `json:"exit_code"`
	Failed    string    `json:"failed,omitempty"` // why it did not do its work, one clause
	// Output is the end of what it printed, secrets replaced: all hooks of a
	// release together at most 64 KiB.
	Output []string `json:"output,omitempty"`
}

// Class says whose fault a failure is.
type Class string

// A verdict is on the release (it exited, it is unhealthy): quarantined and
// never retried by itself. The world (registry, network, disk, engine, lock,
// missing secret) is waited out.
const (
	Verdict Class = "verdict"
	World   Class = "world"
)

// Failure is why a release did not make it, with all a person needs at night.
type Failure struct {
	Class     Class    `json:"class"`
	Step      string   `json:"step"` // what was being done: "pull image", "health", …
	Host      string   `json:"host,omitempty"`
	Role      string   `json:"role,omitempty"`
	Container string   `json:"container,omitempty"`
	Message   string   `json:"message"`
	ExitCode  *int     `json:"exit_code,omitempty"`
	OOMKilled bool     `json:"oom_killed,omitempty"`
	Probes    []string `json:"probes,omitempty"` // "GET /up: 503 in 2 ms (3x)"
	Logs      []string `json:"logs,omitempty"`   // last lines, stripped of control characters
	Next      string   `json:"next,omitempty"`   // the one thing to do
}

func (f *Failure) Error() string {
	where := ""
	if f.Host != "" {
		where = f.Host + ": "
	}
	return where + f.Step + ": " + f.Message
}

// EventKind says what an event tells.
type EventKind string

// The kinds of event.
const (
	EventStatus    EventKind = "status"    // the release changed its status
	EventProgress  EventKind = "progress"  // something happened within a status
	EventAlert     EventKind = "alert"     // something a person should see, outside a release
	EventRecovered EventKind = "recovered" // the alert's cause is gone
)

// Event is one thing that happened, in the order of Seq.
type Event struct {
	Seq     int64     `json:"seq"` // given by the store
	At      time.Time `json:"at"`
	Kind    EventKind `json:"kind"`
	Lane    Lane      `json:"lane"`
	Key     string    `json:"key,omitempty"` // alerts: same key = same trouble
	Message string    `json:"message"`
	Release *Release  `json:"release,omitempty"` // as it was then
}

// Newer begins the key of alerts that tell of no trouble: something newer is
// there than what runs, and comes with the next commit.
const Newer = "newer/"

// Hold keeps a lane where a person put it until resume.
type Hold struct {
	Lane  Lane      `json:"lane"`
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	Why   string    `json:"why,omitempty"`
}

func (h Hold) String() string {
	return fmt.Sprintf("held by %s since %s", h.By, h.Since.Format("2006-01-02 15:04 MST"))
}

// Cordoned begins why a cordoned host is left out.
const Cordoned = "cordoned"

// Cordon keeps new releases off a host until it is lifted; what runs there
// stays, with its traffic.
type Cordon struct {
	Host  string    `json:"host"` // by its name in deploy.yml
	By    string    `json:"by"`   // a person, or fairlead.yml
	Since time.Time `json:"since,omitzero"`
	Why   string    `json:"why,omitempty"`
}

// String says it without the host: "cordoned by ana since …: its disk fails".
func (c Cordon) String() string {
	s := Cordoned + " by " + c.By
	if !c.Since.IsZero() {
		s += " since " + c.Since.UTC().Format("2006-01-02 15:04 MST")
	}
	if c.Why != "" {
		s += ": " + c.Why
	}
	return s
}

// Look is the last time the daemon looked at a repository.
type Look struct {
	Repo   string    `json:"repo"`
	At     time.Time `json:"at"`
	Tip    string    `json:"tip,omitempty"`    // SHA, empty when the ref is missing
	State  string    `json:"state"`            // "ok", "branch missing", "unreachable: …"
	OKFrom time.Time `json:"ok_from,omitzero"` // last look that worked
}
