// Package operation holds the nouns of what people do by hand to services that
// run: what is asked (Ask), what is told while it is done (Told), and what is
// found. They travel as JSON between the command line and the daemon.
//
// It is pure. Doing it belongs to package deployer/operate, carrying it to
// package server, showing it to the command line.
package operation

import (
	"io"
	"slices"
	"strings"
	"time"
)

// Verb is what is asked for.
type Verb string

// The verbs. Those of Changes take the service's lock on every host.
const (
	Exec             Verb = "exec"              // run Command in containers
	Logs             Verb = "logs"              // show what containers write
	Details          Verb = "details"           // containers of the service, its accessories and the proxy
	Containers       Verb = "containers"        // containers of the service's roles
	Images           Verb = "images"            // the service's images
	Version          Verb = "version"           // the version that runs
	Stale            Verb = "stale"             // what runs beside the current version; with Stop it is stopped
	Start            Verb = "start"             // start what was stopped, and send it its traffic
	Stop             Verb = "stop"              // stop what runs; the service is held
	Maintenance      Verb = "maintenance"       // answer requests with 503
	Live             Verb = "live"              // end Maintenance
	RemoveApp        Verb = "remove app"        // containers, images, routes and files of the roles
	RemoveContainer  Verb = "remove container"  // the stopped containers of Version
	RemoveContainers Verb = "remove containers" // all stopped containers
	RemoveImages     Verb = "remove images"     // all images that no container needs
	Remove           Verb = "remove"            // RemoveApp, accessories, and the proxy where it serves nobody else
	PruneContainers  Verb = "prune containers"  // stopped containers beyond Retain
	PruneImages      Verb = "prune images"      // images that no container needs
	Prune            Verb = "prune"             // both
	Audit            Verb = "audit"             // the audit log on the hosts
	LockStatus       Verb = "lock status"
	LockAcquire      Verb = "lock acquire" // with Message
	LockRelease      Verb = "lock release"
	ServerExec       Verb = "server exec"      // run Command.Line on hosts
	ServerBootstrap  Verb = "server bootstrap" // make hosts ready; with Install, Docker too
	RegistryLogin    Verb = "registry login"   // try the account from every host
	RegistryLogout   Verb = "registry logout"  // remove the login that Kamal left on hosts
)

// The verbs of Accessory. Exec, Logs and Details are for it, too.
const (
	AccessoryBoot       Verb = "accessory boot"    // make what is not there, start what is stopped
	AccessoryReboot     Verb = "accessory reboot"  // make it anew; with Rolling, host by host
	AccessoryStart      Verb = "accessory start"   // start what was stopped
	AccessoryStop       Verb = "accessory stop"    // stop what runs, and let it be
	AccessoryRestart    Verb = "accessory restart" // both
	AccessoryRemove     Verb = "accessory remove"  // containers and images; with Data, its folder; the service is held
	AccessoryFiles      Verb = "accessory files"   // put its files and folders in place again
	AccessoryPull       Verb = "accessory pull"    // pull its image
	AccessoryDropImage  Verb = "accessory remove image"
	AccessoryDropFolder Verb = "accessory remove folder" // of a removed one
	AccessoryBackup     Verb = "accessory backup"        // keep a dump of it
	AccessoryBackups    Verb = "accessory backups"       // the dumps that are kept
	AccessoryRestore    Verb = "accessory restore"       // put Dump back with Text
)

// OfAccessory tells whether a verb is for accessories alone.
func (v Verb) OfAccessory() bool { return strings.HasPrefix(string(v), "accessory ") }

// Changes tells whether a verb changes what the service's lock guards.
func (v Verb) Changes() bool {
	return slices.Contains([]Verb{
		Start, Stop, Maintenance, Live, RemoveApp, RemoveContainer, RemoveContainers, RemoveImages, Remove,
		PruneContainers, PruneImages, Prune,
		AccessoryBoot, AccessoryReboot, AccessoryStart, AccessoryStop, AccessoryRestart, AccessoryRemove, AccessoryFiles,
		AccessoryPull, AccessoryDropImage, AccessoryDropFolder,
	}, v)
}

// verbs are all verbs.
func verbs() []Verb {
	return []Verb{
		Exec, Logs, Details, Containers, Images, Version, Stale, Start, Stop, Maintenance, Live, RemoveApp, RemoveContainer,
		RemoveContainers, RemoveImages, Remove, PruneContainers, PruneImages, Prune, Audit, LockStatus, LockAcquire, LockRelease,
		ServerExec, ServerBootstrap, RegistryLogin, RegistryLogout, Eject,
		AccessoryBoot, AccessoryReboot, AccessoryStart, AccessoryStop, AccessoryRestart, AccessoryRemove, AccessoryFiles, AccessoryPull,
		AccessoryDropImage, AccessoryDropFolder, AccessoryBackup, AccessoryBackups, AccessoryRestore,
	}
}

// Ask is what a person asks for.
type Ask struct {
	Verb        Verb   `json:"verb"`
	Repo        string `json:"repo,omitempty"` // one of fairlead.yml's; a checkout has none
	Destination string `json:"destination,omitempty"`
	Actor       string `json:"actor,omitempty"` // who asks, as the command line knows it

	// Roles and Hosts choose; a * in one matches any text. Empty means all.
	Roles   []string `json:"roles,omitempty"`
	Hosts   []string `json:"hosts,omitempty"`
	Primary bool     `json:"primary,omitempty"` // only the primary host
	Version string   `json:"version,omitempty"`

	Command *Command `json:"command,omitempty"` // of Exec and ServerExec
	Log     *Log     `json:"log,omitempty"`     // of Logs

	Message string        `json:"message,omitempty"` // of LockAcquire and Maintenance
	Drain   time.Duration `json:"drain,omitempty"`   // of Maintenance; 0 is deploy.yml's drain_timeout
	Retain  *int          `json:"retain,omitempty"`  // of Prune and PruneContainers; nil is deploy.yml's
	Lines   int           `json:"lines,omitempty"`   // of Audit; 0 is 50
	Stop    bool          `json:"stop,omitempty"`    // of Stale
	Install bool          `json:"install,omitempty"` // of ServerBootstrap
	Kind    string        `json:"kind,omitempty"`    // of ProxyUse
	Force   bool          `json:"force,omitempty"`   // of ProxyRemove
	// SkipHooks runs none of Kamal's hooks: of ServerBootstrap and ProxyReboot.
	SkipHooks bool `json:"skip_hooks,omitempty"`

	// Accessory is one's name in deploy.yml, or "all".
	Accessory string `json:"accessory,omitempty"`
	Rolling   bool   `json:"rolling,omitempty"` // of AccessoryReboot
	Data      bool   `json:"data,omitempty"`    // of AccessoryRemove
	Dump      string `json:"dump,omitempty"`    // of AccessoryRestore: the name of a kept one; "" is the newest
	Text      string `json:"text,omitempty"`    // of AccessoryRestore: a command; "" is deploy.yml's
}

// Command is what shall run.
type Command struct {
	// Argv is what runs in a container, without a shell.
	Argv []string `json:"argv,omitempty"`
	// Line is what the login shell of a host runs.
	Line  string            `json:"line,omitempty"`
	Env   map[string]string `json:"env,omitempty"`
	Reuse bool              `json:"reuse,omitempty"` // in the container that runs, not in a new one
	// Input passes standard input on; it goes to one place only.
	Input  bool `json:"input,omitempty"`
	TTY    bool `json:"tty,omitempty"` // on a terminal, of Size
	Size   Size `json:"size,omitzero"`
	Detach bool `json:"detach,omitempty"` // begin it and do not wait
}

// Size is a terminal's, in characters.
type Size struct {
	Rows uint `json:"rows"`
	Cols uint `json:"cols"`
}

// Log chooses of what containers write.
type Log struct {
	Follow bool `json:"follow,omitempty"`
	// Since is a time (RFC 3339), a date, or a duration before now, such as 42m.
	Since string `json:"since,omitempty"`
	// Lines is how many of the last lines; 0 is all.
	Lines int `json:"lines,omitempty"`
	// Grep is a regular expression (RE2), Options are some of grep's.
	Grep    string `json:"grep,omitempty"`
	Options string `json:"options,omitempty"`
	// Container is the id or name of one container, whatever its state.
	Container string `json:"container,omitempty"`
}

// Check tells what is wrong with an ask, "" when nothing is.
func (a Ask) Check() string {
	switch {
	case !slices.Contains(verbs(), a.Verb) && !slices.Contains(proxyVerbs(), a.Verb):
		return "unknown verb " + strings.ToValidUTF8(string(a.Verb), "?")
	case a.Verb.OfAccessory() && a.Accessory == "":
		return "it is not said which accessory"
	case a.Accessory != "" && !a.Verb.OfAccessory() && !slices.Contains([]Verb{Exec, Logs, Details}, a.Verb):
		return "this is not for accessories"
	case a.Verb == Exec && (a.Command == nil || len(a.Command.Argv) == 0), a.Verb == ServerExec && (a.Command == nil || a.Command.Line == ""):
		return "no command is given"
	case a.Verb == Logs && a.Log == nil:
		return "it is not said which lines"
	case a.Verb == RemoveContainer && a.Version == "":
		return "no version is given"
	case a.Verb == ProxyUse && a.Kind != KindFairlead && a.Kind != KindKamalProxy && a.Kind != KindTraefik:
		return "a proxy is " + KindFairlead + ", " + KindKamalProxy + " or " + KindTraefik
	case a.Verb == LockAcquire && a.Message == "":
		return "a lock needs a message that says why"
	case a.Retain != nil && *a.Retain < 0, a.Lines < 0, a.Log != nil && a.Log.Lines < 0, a.Drain < 0:
		return "a number below 0"
	}
	return ""
}

// Source is where something was found or said.
type Source struct {
	Host string `json:"host,omitempty"`
	Role string `json:"role,omitempty"`
	Name string `json:"name,omitempty"` // of a container
}

// Told is one thing that is told while an ask is carried out. One field is set
// beside the source.
type Told struct {
	Source
	Places    int        `json:"places,omitempty"` // how many will say something; told first
	Out       []byte     `json:"out,omitempty"`    // standard output, as it is
	Err       []byte     `json:"err,omitempty"`    // standard error, as it is
	Exit      *int       `json:"exit,omitempty"`
	Line      *Line      `json:"line,omitempty"`
	Container *Container `json:"container,omitempty"`
	Image     *Image     `json:"image,omitempty"`
	Lock      *Lock      `json:"lock,omitempty"`
	Dump      *Dump      `json:"dump,omitempty"`
	Done      string     `json:"done,omitempty"`    // what was done, for people
	Warning   string     `json:"warning,omitempty"` // what a person should know
	End       *End       `json:"end,omitempty"`     // the last thing told
	Alive     bool       `json:"alive,omitempty"`   // nothing is told; it goes on
}

// Line is one line of a log, without control characters.
type Line struct {
	At   time.Time `json:"at,omitzero"` // by the host's clock
	Text string    `json:"text"`
}

// Container is one container on a host.
type Container struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // "app", "accessory" or "proxy"
	Version  string    `json:"version,omitempty"`
	Image    string    `json:"image"`
	State    string    `json:"state"` // "running", "exited (1)", "running (healthy)"
	Running  bool      `json:"running"`
	Created  time.Time `json:"created"`
	Started  time.Time `json:"started,omitzero"`
	Restarts int       `json:"restarts,omitempty"` // by the restart policy
}

// Image is one image on a host.
type Image struct {
	ID      string    `json:"id"`
	Tags    []string  `json:"tags"`
	Size    int64     `json:"size"` // bytes
	Created time.Time `json:"created"`
	InUse   bool      `json:"in_use"` // by a container, running or not
}

// Dump is one kept backup of an accessory, on the machine of the daemon.
type Dump struct {
	Accessory string    `json:"accessory"`
	Name      string    `json:"name"`
	Path      string    `json:"path"`
	Size      int64     `json:"size"` // bytes
	Taken     time.Time `json:"taken"`
}

// Lock is the service's lock on one host.
type Lock struct {
	Held bool   `json:"held"`
	By   string `json:"by,omitempty"` // one line: who, since when, why
	// Ours is one that a Fairlead holds and renews; it frees itself.
	Ours bool `json:"ours,omitempty"`
}

// End says how an ask ended: well, where Error is "".
type End struct {
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"` // the one thing to do
}

// Typed is what comes from the asker while a command runs.
type Typed struct {
	In   []byte `json:"in,omitempty"`
	EOF  bool   `json:"eof,omitempty"` // there is no more of In
	Size *Size  `json:"size,omitempty"`
}

// Caller is who asks, and listens while it is done.
type Caller struct {
	// Tell passes on what is found and done; one at a time calls it. An error
	// means that nobody listens any more.
	Tell func(Told) error
	// In is what is typed, nil for nothing; Resize has the sizes that its
	// terminal gets.
	In     io.ReadCloser
	Resize <-chan Size
}

// Refusal is an error with the one thing to do about it.
type Refusal struct{ Message, Hint string }

func (e *Refusal) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

// Bounds of what travels.
const (
	// Chunk is how many bytes of a stream travel at once, at most.
	Chunk = 32 << 10
	// MaxFrame is how long one Told or Typed is as JSON, at most.
	MaxFrame = 256 << 10
	// Protocol names the stream of Told and Typed to HTTP.
	Protocol = "fairlead-operation"
)
