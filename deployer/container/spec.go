package container

import (
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// A Spec is everything that decides how a container behaves and that can be
// both set and read back. Its zero fields mean "what the image and the engine
// choose". Every field is compared by Diff.
type Spec struct {
	// Image is the reference the container is created from, such as
	// "ghcr.io/acme/shop:9c1e0aa". It is compared only when neither ImageID
	// nor ImageDigest is known on both sides.
	Image string
	// ImageID is the id of the image on one host: "sha256:" and 64 hex digits.
	ImageID string
	// ImageDigest is the digest of the image in its registry: "sha256:" and 64
	// hex digits.
	ImageDigest string

	// Cmd and Entrypoint are argv, never split or joined. A nil Entrypoint is
	// the image's; setting one drops the image's Cmd, as `docker run` does.
	Cmd        []string
	Entrypoint []string
	// Env holds what is set beyond the image's own environment. Any value may
	// be a secret.
	Env        map[string]secret.Value
	Labels     map[string]string
	User       string // "uid", "name" or "user:group"
	WorkingDir string
	TTY        bool
	OpenStdin  bool

	Mounts []Mount
	// Tmpfs maps a path in the container to mount options such as
	// "size=64m,mode=1777".
	Tmpfs       map[string]string
	VolumesFrom []string
	StorageOpt  map[string]string

	// Network is the name of the network the container is created in; empty is
	// the engine's default bridge. "host", "none" and "container:NAME" are
	// modes.
	Network        string
	NetworkAliases []string
	// ExtraNetworks are joined after creation, before the first start.
	ExtraNetworks []string
	IP            string // static IPv4 address in Network
	Ports         []Port
	// Expose names ports such as "3000/tcp" that are announced, not published.
	Expose []string
	// Hostname is not compared when not wanted: the engine makes one up.
	Hostname   string
	Domainname string
	ExtraHosts []string // "name:address", the address may be "host-gateway"
	DNS        []string
	DNSSearch  []string
	DNSOptions []string

	Restart     Restart
	Log         Log
	Health      *Healthcheck // nil is the image's
	StopTimeout *int         // seconds between StopSignal and SIGKILL; nil is the engine's 10
	StopSignal  string       // "SIGTERM", "TERM" or "15"
	Init        *bool        // nil is the engine's choice

	Resources Resources
	Ulimits   []Ulimit
	Devices   []Device
	// GPUs has the form of docker run's --gpus: "all", "2" or
	// "device=0,1".
	GPUs              string
	DeviceCgroupRules []string
	Security          Security
}

// Security is what a container may do beyond, or short of, the engine's
// defaults.
type Security struct {
	Privileged     bool
	ReadOnlyRootfs bool
	CapAdd         []string // with or without "CAP_"
	CapDrop        []string
	SecurityOpt    []string // "no-new-privileges", "seccomp=unconfined", …
	GroupAdd       []string
	Sysctls        map[string]string
	PidMode        string // "", "host" or "container:NAME"
	IpcMode        string // "", "private", "shareable", "host", "none", "container:NAME"
	UTSMode        string // "" or "host"
	UsernsMode     string // "" or "host"
	CgroupnsMode   string // "", "private" or "host"
	CgroupParent   string
	Runtime        string // "" is the engine's default runtime
}

// MountKind tells a bind mount from a volume.
type MountKind string

// The kinds of mounts. In-memory mounts are Spec.Tmpfs.
const (
	Bind   MountKind = "bind"
	Volume MountKind = "volume"
)

// A Mount puts a folder of the host, or a volume, at a path in the container.
type Mount struct {
	Kind MountKind
	// Source is a path on the host, or a volume's name; empty is an anonymous
	// volume. A path that is not absolute must be resolved against the host's
	// home folder before a container is made.
	Source   string
	Target   string
	ReadOnly bool
	// Mode holds the other comma-separated options of `-v`: "z", "Z",
	// "nocopy", "rslave", ….
	Mode string
	// MustExist makes creation fail when the folder of a bind mount is missing
	// on the host (docker run's --mount) instead of making it (-v). It says
	// nothing about how a container behaves, so it is not compared.
	MustExist bool
}

// A Port publishes one port of the container on the host.
type Port struct {
	HostIP   string // empty is every address of the host
	HostPort uint16 // 0 is one that the engine picks
	Port     uint16 // in the container
	Protocol string // "tcp" (also when empty), "udp" or "sctp"
}

// Restart says what the engine does when the process ends.
type Restart struct {
	Policy     string // "no" (also when empty), "always", "unless-stopped", "on-failure"
	MaxRetries int    // of "on-failure"; 0 is no limit
}

// Log says where the output goes. Only what is wanted is compared: the engine
// fills in the rest from its daemon.json.
type Log struct {
	Driver  string
	Options map[string]string
}

// A Healthcheck is a command that the engine runs in the container. Zero
// fields are the image's, else the engine's defaults.
type Healthcheck struct {
	Disabled    bool     // no health check, whatever the image says
	Test        []string // argv with the engine's prefix: {"CMD", …} or {"CMD-SHELL", "…"}
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

// Resources are limits; zero is none. Sizes are bytes.
type Resources struct {
	Memory            int64
	MemoryReservation int64
	MemorySwap        int64 // memory plus swap; 0 is twice Memory, -1 no limit
	Swappiness        *int64
	OOMKillDisable    bool
	OOMScoreAdj       int
	NanoCPUs          int64 // billionths of a CPU
	CPUShares         int64
	CPUPeriod         int64 // microseconds
	CPUQuota          int64 // microseconds
	CPUSetCPUs        string
	CPUSetMems        string
	PidsLimit         int64 // 0 and -1 are none
	ShmSize           int64 // 0 is the engine's default, 64 MiB
	BlkioWeight       uint16
}

// A Ulimit is one resource limit of the container's processes; -1 is none.
type Ulimit struct {
	Name       string
	Soft, Hard int64
}

// A Device gives the container a device of the host.
type Device struct {
	Host        string
	Container   string // empty is the same path as Host
	Permissions string // of "rwm"; empty is all
}
