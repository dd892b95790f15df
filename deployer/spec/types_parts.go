package spec

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// Proxy is how the reverse proxy sends requests to a role or an accessory.
type Proxy struct {
	// Hosts are the names served; empty means all.
	Hosts []string
	// AppPort is the container's port. Default 80.
	AppPort int
	SSL     SSL
	// SSLRedirect sends http to https. Default true.
	SSLRedirect bool
	// ForwardHeaders trusts X-Forwarded-*. Default: the opposite of SSL.
	ForwardHeaders bool
	// ResponseTimeout defaults to 30s.
	ResponseTimeout time.Duration
	// PathPrefixes restricts the routes; empty means all paths.
	PathPrefixes []string
	// StripPathPrefix takes the prefix off before the app sees it. Default true.
	StripPathPrefix bool
	Healthcheck     ProxyHealthcheck
	Buffering       Buffering
	// LogRequestHeaders and LogResponseHeaders name headers to log; nil means
	// the proxy's default.
	LogRequestHeaders, LogResponseHeaders []string
	Run                                   ProxyRun
}

// SSL is how a proxied service is encrypted.
type SSL struct {
	Enabled bool
	// CertificatePEM and PrivateKeyPEM name secrets; both or none. None means
	// a certificate by ACME.
	CertificatePEM, PrivateKeyPEM string
}

// Custom tells that the service brings its own certificate.
func (s SSL) Custom() bool { return s.CertificatePEM != "" }

// ProxyHealthcheck is the proxy's probe of a new container.
type ProxyHealthcheck struct {
	// Path defaults to /up.
	Path string
	// Interval defaults to 1s, Timeout to 5s.
	Interval, Timeout time.Duration
}

// Buffering is how the proxy buffers. Sizes are bytes, 0 means unlimited.
type Buffering struct {
	Requests, Responses             bool
	MaxRequestBody, MaxResponseBody int64
	// Memory is what is held in memory before the disk is used.
	Memory int64
}

// ProxyRun is how the proxy's own container runs on a host.
type ProxyRun struct {
	// HTTPPort and HTTPSPort default to 80 and 443. MetricsPort 0 is off.
	HTTPPort, HTTPSPort, MetricsPort int
	Debug                            bool
	// LogMaxSize defaults to "10m"; "" sets none.
	LogMaxSize string
	// Publish maps the ports on the host. Default true.
	Publish bool
	BindIPs []string
	// Registry, Repository and Version name the image as written, "" when not.
	Registry, Repository, Version string
	// Options are docker run flags as in Role.Options.
	Options map[string][]string
}

// Health is a probe of Fairlead's own. At most one of HTTP, TCP and Cmd is set.
type Health struct {
	HTTP *HTTPProbe
	// TCP is the port that must accept a connection, 0 for none.
	TCP int
	// Cmd runs in the container and must exit with 0.
	Cmd Command
	// Interval defaults to 1s, Timeout to 5s.
	Interval, Timeout time.Duration
	// Retries is how many failures in a row make the container unhealthy.
	// Default 3.
	Retries int
}

// HTTPProbe must be answered with 2xx.
type HTTPProbe struct {
	Path string
	// Port is the container's; 0 means the role's app port.
	Port int
}

// FileMount is a file or folder that is put on the host and mounted.
type FileMount struct {
	// Local is the path in the repository, for directories the folder under
	// the service's home on the host.
	Local string
	// Remote is the path in the container.
	Remote string
	// Mode is octal as written ("0640"), "" for the default.
	Mode  string
	Owner string
	// Options are docker's mount options ("ro"), "" for none.
	Options string
}

// Builder is how images are built.
type Builder struct {
	Arch []string
	// Remote is ssh://USER@HOST, "" when none.
	Remote string
	// Local builds on this machine where the architecture allows. Default true.
	Local bool
	// Context is "" for a clean checkout of the commit.
	Context, Dockerfile, Target string
	Args                        map[string]string
	// Secrets are names.
	Secrets []string
	SSH     string
	// Driver defaults to "docker-container".
	Driver string
	Cache  *BuildCache
	Pack   *Pack
	// Provenance and SBOM are as buildx takes them, "" when not written.
	Provenance, SBOM string
}

// BuildCache is where layers are kept between builds.
type BuildCache struct{ Type, Options, Image string }

// Pack builds with Cloud Native Buildpacks.
type Pack struct {
	Builder    string
	Buildpacks []string
}

// SSH is how hosts are reached.
type SSH struct {
	// User defaults to "root", Port to 22; UserSet and PortSet tell whether
	// the file says so (an ssh config may speak where it does not).
	User             string
	Port             int
	UserSet, PortSet bool
	// Proxy is [USER@]HOST[:PORT] of a jump host.
	Proxy string
	// ProxyCommand is a program that is the connection; %h, %p and %r in its
	// words are the host, the port and the user, %% is a %.
	ProxyCommand Command
	// Keys are files, KeyData names of secrets that hold private keys.
	Keys, KeyData []string
	KeysOnly      bool
	Config        SSHConfig
	ForwardAgent  bool
	LogLevel      string
}

// SSHConfig is which OpenSSH client configurations are read.
type SSHConfig struct {
	// Default reads the usual files. It is true unless the file says else.
	Default bool
	// Files are read instead of them.
	Files []string
}

// Boot is how many hosts switch at a time.
type Boot struct {
	Limit BootLimit
	// Wait is the pause between groups.
	Wait time.Duration
	// ParallelRoles boots the roles of one host at once.
	ParallelRoles bool
}

// BootLimit is a number of hosts or a share of all; zero is no limit.
type BootLimit struct{ Count, Percent int }

// IsZero tells that all hosts switch together.
func (l BootLimit) IsZero() bool { return l.Count == 0 && l.Percent == 0 }

// Of returns how many of n hosts go together, at least 1. A share is of all
// hosts and rounds down, as Kamal does.
func (l BootLimit) Of(n int) int {
	switch {
	case l.Percent > 0:
		return max(n*l.Percent/100, 1)
	case l.Count > 0:
		return l.Count
	default:
		return max(n, 1)
	}
}

// Canary is who meets a new version first: some hosts, or Percent of the
// clients, and For how long (0: XFairlead.Window).
type Canary struct {
	Hosts   BootLimit
	Percent int
	For     time.Duration
}

// Strategy is how a role's containers are replaced.
type Strategy string

// The strategies.
const (
	StrategyAll       Strategy = "all"
	StrategyRolling   Strategy = "rolling"
	StrategyCanary    Strategy = "canary"
	StrategyStopFirst Strategy = "stop-first"
)

// OnFailure is what happens to all hosts when a release fails.
type OnFailure string

// What a failed release leads to.
const (
	OnFailureRollback OnFailure = "rollback"
	OnFailureHalt     OnFailure = "halt"
)

// Unreachable is what a host means that cannot be reached.
type Unreachable string

// What a host that cannot be reached leads to: the release waits for it, or
// goes to the others, and to it later.
const (
	UnreachableBlock Unreachable = "block"
	UnreachableSkip  Unreachable = "skip"
)

// XFairlead is the root key x-fairlead: what Kamal has no word for. What it
// says about roles is in Role.
type XFairlead struct {
	// Window is how long a release is watched after the switch. Default 30s.
	Window time.Duration
	// OnFailure defaults to OnFailureRollback.
	OnFailure OnFailure
	// Unreachable defaults to UnreachableBlock.
	Unreachable Unreachable
	// SelfHeal restarts what stopped. Default true.
	SelfHeal bool
	// Prune ends what runs of the service without being wanted any more: roles
	// that left a host. Default false: it is only shown.
	Prune bool
	// FollowTag and FollowSecrets roll out a moved tag, a changed secret.
	FollowTag, FollowSecrets bool
	// ImageTag is the pattern of the tag of a commit's image: {sha} is the
	// full name, {sha7} (any number 4 to 40) its start. Default "{sha}".
	ImageTag string
	// Load brings images from the builder straight to the hosts
	// (transport: load). Default false: by way of the registry.
	Load bool
	// Proxy chooses and tunes the reverse proxy.
	Proxy XProxy
	// Hooks is how hooks are run, by their name.
	Hooks map[string]hooks.Options
}

// XProxy is x-fairlead.proxy.
type XProxy struct {
	// Kind is "", "kamal-proxy", "fairlead", "traefik" or "none"; "" takes
	// the one that runs, else Fairlead's own.
	Kind string
	// ACMEEmail is the account's address, ACMEDirectory another CA's URL.
	ACMEEmail, ACMEDirectory string
}
