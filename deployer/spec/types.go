package spec

import (
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/tool"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Deploy is a deploy.yml, resolved: merged with its destination's file,
// translated to Kamal 2's words, defaults applied, validated. A zero duration
// means that the file does not say and the consumer's default is meant only
// where the field's comment says so.
type Deploy struct {
	// Service names the service and prefixes its containers: [a-zA-Z0-9_-]+.
	Service string
	Image   Image
	// Destination is the environment (staging, production), "" when none.
	Destination string
	// Version is what Options.Version asked for, "" when nothing was.
	Version  string
	Registry Registry

	// Roles holds the primary role first, then the others as the file has them.
	Roles       []Role
	PrimaryRole string
	// AllowEmptyRoles tells that a role without hosts is meant.
	AllowEmptyRoles bool

	// Env is the root env; EnvFor merges it with a role's and a host's.
	Env Env
	// Labels are those of every app container; Role.Labels already has them.
	Labels map[string]string
	// Volumes are HOST:CONTAINER[:OPTIONS] binds of every app container.
	Volumes []string
	// Logging is the root logging; Role.Logging is the merged one.
	Logging Logging
	// Proxy is the root proxy with defaults; Role.Proxy is the merged one.
	Proxy Proxy

	// Accessories are in the file's order.
	Accessories []Accessory
	// Builder is nil where the file has no builder.
	Builder *Builder
	SSH     SSH
	Boot    Boot

	// ReadinessDelay is how long a container without proxy and HEALTHCHECK
	// must run to count as started. Default 7s.
	ReadinessDelay time.Duration
	// DeployTimeout is how long a new container may take to become healthy.
	// Default 30s.
	DeployTimeout time.Duration
	// DrainTimeout is how long a replaced container may finish its requests.
	// Default 30s.
	DrainTimeout time.Duration
	// StopTimeout is the root stop_timeout, 0 when not written; Role.StopTimeout
	// is always set.
	StopTimeout time.Duration
	// RetainContainers is how many old containers stay. Default 5.
	RetainContainers int

	Aliases map[string]string
	// Hooks are those written in the file itself, in the file's order.
	Hooks []hooks.Hook
	// HookFiles are the names of the executable hooks found under HooksPath.
	HookFiles []string
	// AssetPath is PATH[:OPTIONS] of the root, "" when none.
	AssetPath      string
	ErrorPagesPath string
	// ErrorPages are the pages in that folder, by path ("public/404.html").
	ErrorPages map[string]string
	// SecretsPath is the dotenv file of secrets. Default ".kamal/secrets".
	SecretsPath string
	// HooksPath is the folder of hook files. Default ".kamal/hooks".
	HooksPath          string
	RequireDestination bool

	// Words are about Kamal itself.
	tool.Words

	XFairlead XFairlead
	// Traefik is how Traefik runs, where XFairlead.Proxy.Kind is "traefik".
	Traefik Traefik

	// File is the path that was read, DestinationFile the one merged into it
	// ("" when none).
	File, DestinationFile string

	positions map[string]Position
}

// Image is where the service's image lives. Name and Tag or Digest make a
// reference that Docker understands.
type Image struct {
	// Server is the registry's host, with the port if it has one, and with
	// the path where registry.server has one. "" means Docker Hub.
	Server string
	// Repository is the path under Server: "myorg/myapp".
	Repository string
	// Tag and Digest are those written in image:, mostly "".
	Tag, Digest string
}

// Name returns "ghcr.io/myorg/myapp", without tag and digest.
func (i Image) Name() string {
	if i.Server == "" {
		return i.Repository
	}
	return i.Server + "/" + i.Repository
}

// Ref returns the image under another tag: "ghcr.io/myorg/myapp:VERSION".
func (i Image) Ref(version string) string { return i.Name() + ":" + version }

// String returns the reference as pinned in the file, tag and digest included.
func (i Image) String() string {
	s := i.Name()
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest
	}
	return s
}

// Registry is where images are pulled from.
type Registry struct {
	// Server is as Image.Server.
	Server             string
	Username, Password Credential
}

// Credential is a text from the file or the name of a secret that holds it.
type Credential struct {
	// Secret is the name to look up, "" for a literal.
	Secret string
	// Literal is the text as the file (or its template) has it.
	Literal secret.Value
}

// Role is one kind of container: its hosts and how it runs there.
type Role struct {
	Name string
	// Primary marks the role whose health opens the gate for the others.
	Primary bool
	Hosts   []HostEntry
	// Cmd replaces the image's command; empty keeps it.
	Cmd Command
	// Env is the role's own part; Deploy.EnvFor merges.
	Env Env
	// Labels are the root's and the role's.
	Labels map[string]string
	// Logging is the root's with the role's merged over it.
	Logging Logging
	// Options are docker run flags without dashes, each with its values in
	// order; a switch has the value "true" or "false". No "restart" in it.
	Options map[string][]string
	// Restart is docker's restart policy. Default "unless-stopped".
	Restart string
	// Proxied tells that the reverse proxy sends requests to the role.
	Proxied bool
	// Proxy is the root's proxy with the role's merged over it; nil when not
	// Proxied.
	Proxy *Proxy
	// AssetPath is the role's or the root's PATH[:OPTIONS], "" when none.
	AssetPath string
	// StopTimeout is how long a container may take to stop: the role's, the
	// root's, else 10s for proxied roles and DrainTimeout for the others.
	StopTimeout time.Duration
	// Health is how Fairlead probes the role beyond what the proxy does; nil
	// leaves it to the proxy or the image's HEALTHCHECK.
	Health *Health
	// Strategy is how containers are replaced; StrategyAll when not written.
	Strategy Strategy
	// Canary is how a new version is tried out with StrategyCanary. Default: on
	// one host.
	Canary Canary
	// Scale is the number of containers per host. Default 1.
	Scale int
	// Wait is the pause between the steps of a rolling or canary rollout.
	Wait time.Duration
}

// HostEntry is a host of a role. It may be written as [USER@]HOST[:PORT].
type HostEntry struct {
	// Address is the host's name or IP alone: it identifies the host.
	Address string
	// User and Port override ssh.user and ssh.port; "" and 0 do not.
	User string
	Port int
	// Tags choose parts of env.tags for this host.
	Tags []string
}

// String returns the entry as it is written, without tags.
func (h HostEntry) String() string { return joinHost(h) }

// Command is a command line.
type Command struct {
	// Raw is the text as written.
	Raw string
	// Args is Raw split as a shell would, nothing expanded.
	Args []string
}

// IsZero tells that no command is given.
func (c Command) IsZero() bool { return c.Raw == "" }

// Env is a set of environment variables.
type Env struct {
	// Clear values are shown to everybody. ${NAME} in them is a variable of
	// the host's login environment and is kept as written.
	Clear map[string]string
	// Secrets are looked up when a rollout begins.
	Secrets []SecretRef
	// Tags adds variables on hosts with that tag. Only the root env has them.
	Tags map[string]Env
}

// SecretRef is a variable whose value is a secret.
type SecretRef struct {
	// Name is the variable in the container.
	Name string
	// Source is the secret's name, often the same; "" when Literal holds it.
	Source string
	// Literal is the value where a template computed it.
	Literal secret.Value
}

// Logging is docker's log driver and its options. Without a word in the file
// it is {Options: max-size=10m}.
type Logging struct {
	Driver  string
	Options map[string]string
}
