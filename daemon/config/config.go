// Package config is fairlead.yml: the operator's file, which says which
// repositories are watched and what they are allowed to do.
//
// It is read strictly: an unknown, repeated or misplaced key is an error with
// its line, column and a hint, and all errors come at once. A secret is never
// in the file, only where it is. Nothing here opens a repository, a connection
// or a store, and what deploy.yml may say does not live here.
package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Defaults of what the file does not say.
const (
	DefaultPoll      = 30 * time.Second
	DefaultReconcile = 5 * time.Minute
	DefaultListen    = "127.0.0.1:4747"
	DefaultSocket    = "/run/fairlead/fairlead.sock"
	DefaultDataDir   = "/var/lib/fairlead"
	DefaultHeartbeat = time.Minute
	DefaultSSHUser   = "root" // Kamal's
	DefaultSSHPort   = 22

	DefaultExecCache    = 10 * time.Minute
	DefaultExecDeadline = 30 * time.Second
	DefaultExecStale    = time.Hour
)

// maxFile bounds fairlead.yml, in bytes.
const maxFile = 1 << 20

// Config is fairlead.yml with defaults filled in. Relative paths in it have
// been made relative to the file's folder.
type Config struct {
	Repositories map[string]Repository
	SSH          SSH
	Hosts        map[string]Host // by the name or address that deploy.yml uses
	Notify       []Channel
	Heartbeat    *Heartbeat // nil: none

	// Listen is the TCP address of webhooks, health and metrics; "" for none
	// (written `listen: none`). Default DefaultListen.
	Listen string
	// Socket is the daemon's unix socket. Default DefaultSocket.
	Socket string
	// DataDir holds the store and the mirrors. Default DefaultDataDir.
	DataDir string
	// Registries by host as images spell it.
	Registries map[string]Registry
	// Reconcile is how often hosts and secrets are read again although no
	// commit came. Default DefaultReconcile; below 0 (`reconcile: never`) not.
	Reconcile time.Duration
	// Policy is that of repositories without their own.
	Policy Policy
	Log    Log
}

// Repository is one watched repository.
type Repository struct {
	URL string // https://, ssh://, git@host:path, file:// or an absolute path
	// Branch to follow; "" is the repository's default branch. Tag is a pattern
	// ("v*") to follow instead.
	Branch, Tag string

	// Poll is how often to look: default DefaultPoll, or never with a Schedule;
	// below 0 (`poll: never`) never.
	Poll time.Duration
	// Schedule is a cron expression of Timezone (default UTC), besides Poll.
	Schedule string
	Timezone *time.Location

	// Destinations are Kamal's (deploy.DEST.yml), each its own lane; none means
	// deploy.yml alone. Written `destination: D` or `destinations: [D, E]`.
	Destinations []string
	ConfigFile   string // path in Folder; "" = config/deploy.yml, else deploy.yml

	// Watched is the repository as it is watched. One with several deploy files
	// (`deploy: [FILE, …]`) is an entry of Repositories for each, called
	// WATCHED:PROJECT; any other is called by its own name.
	Watched string
	// Folder is the project's in the repository, which paths in deploy.yml and
	// .kamal are relative to; "" is the root.
	Folder string
	// Paths are globs from the repository's root: a commit that changes nothing
	// below them, nor the deploy file or secrets, is none of this project's.
	// None: every commit is.
	Paths []string

	Mode     Mode
	Policy   Policy   // its own, else Config.Policy
	Allow    []string // of AllowWords
	ImageTag string   // pattern of the image's tag, "sha-{sha7}"; "" leaves it to deploy.yml
	Auth     Auth
	Secrets  Secrets
	Webhook  *Webhook // nil: none
}

// Mode is what may be done to the hosts of a repository.
type Mode string

// The modes. The zero mode deploys too, but waits for `fairlead resume` where
// it finds containers that Fairlead did not start and would change.
const (
	ModeUnset   Mode = ""
	ModeDeploy  Mode = "deploy"
	ModeObserve Mode = "observe" // only report what would change
)

// PolicyMode is how much of the servers a deploy.yml may ask for.
type PolicyMode string

// The modes of a policy.
const (
	// PolicyKamal, the default: whoever pushes may do what Kamal lets him.
	PolicyKamal PolicyMode = "kamal"
	// PolicyStrict gives containers nothing of the host but what is listed.
	PolicyStrict PolicyMode = "strict"
)

// Policy is what deploy.yml may ask for. It is written as a mode alone, or as a
// mapping; the lists are those of the strict mode.
type Policy struct {
	Mode       PolicyMode
	Mounts     []string // folders of the hosts that, with all below them, may be mounted
	Options    []string // flags of docker run; "harmless" is those allowed without a list
	Registries []string // HOST[/PATH] that images may come from; none: every one
}

// AllowWords are what a repository can be allowed to ask for beyond its policy.
// Under PolicyKamal only accessories, build, commands, hooks, proxy_command and
// servers need to be asked for.
func AllowWords() []string {
	return []string{
		"accessories",   // replace an accessory whose part of deploy.yml changed
		"build",         // build images from commits
		"commands",      // run commands of the repository on the daemon's machine: $(…), ERB, proxy_command
		"hooks",         // run hooks
		"host",          // strict: the host's namespaces (network, pid, ipc, uts, …), its ports below 1024
		"mounts",        // strict: any folder of the host, volumes of other containers
		"proxy_command", // connect by the program of deploy.yml's ssh.proxy_command, on the daemon's machine
		"privileged",    // strict: privileged containers, devices, capabilities, weaker confinement
		"servers",       // run hooks on the servers and builders themselves, as their ssh user
		"socket",        // strict: the engine's socket inside a container
	}
}

// Auth opens the repository. What is unset comes from `ssh:`.
type Auth struct {
	User       string // https: default x-access-token; ssh: default git
	Token      Ref    // https
	SSHKey     string // path
	KnownHosts string // path
}

// Secrets is where the operator keeps a repository's secrets.
type Secrets struct {
	File      string   // dotenv file, mode 0600
	Dir       string   // folder with one file per secret
	Env       []string // names from the daemon's environment
	EnvPrefix string   // and PREFIXname for any name
	Age       Ref      // age's private keys, for the repository's encrypted files
	Exec      *Exec    // nil: none
}

// Exec is a program of the operator's that prints secrets.
type Exec struct {
	Command []string // argv; no shell reads it
	Env     []string // names from the daemon's environment that it gets, besides PATH and HOME
	// Cache is how long its answer is good, default DefaultExecCache; below 0
	// (`cache: never`) it is asked each time.
	Cache time.Duration
	// Deadline bounds one run. Default DefaultExecDeadline.
	Deadline time.Duration
	// Stale is how much longer an answer is used while the program fails, default
	// DefaultExecStale; below 0 (`stale: never`) not at all.
	Stale time.Duration
}

// Webhook is how a forge tells about pushes.
type Webhook struct {
	Provider       string // of WebhookProviders
	Secret         Ref
	PreviousSecret Ref // still accepted, while the secret is being changed
}

// WebhookProviders are the forges whose webhooks are understood.
func WebhookProviders() []string {
	return []string{"github", "gitlab", "gitea", "forgejo", "gogs", "bitbucket", "generic"}
}

// SSH is how hosts are reached, unless Hosts says otherwise.
type SSH struct {
	Keys       []string // paths; written `key: PATH` or `keys: [PATH, …]`
	KnownHosts []string // paths; a string or a list
	User       string   // "" leaves it to deploy.yml's ssh:, then DefaultSSHUser
	Port       int      // 0 leaves it to deploy.yml's ssh:, then DefaultSSHPort
	Proxy      string   // [user@]host[:port] to jump through
}

// Host is one server, where it differs.
type Host struct {
	Address string // to connect to; "" = its name. "local" needs no SSH
	User    string
	Port    int
	Key     string // path
	Proxy   string
	Home    string // folder on the host for Fairlead's and the services' files
	Socket  string // the engine's socket there; "" = /var/run/docker.sock
	// Cordoned keeps new releases off the host, and says why; "": it gets them.
	Cordoned string
}

// Channel is one receiver of messages: exactly one of Slack and Webhook.
type Channel struct {
	Name    string // unique, "slack #deploys"; `name:` or made from its address-free parts
	Slack   *Slack
	Webhook *Hook

	// On are the statuses that are sent; empty means the default: ends and
	// waiting. Alerts tells whether alerts and recoveries are sent: yes, unless
	// `on:` is written without "alerts". Every sends each change of status.
	On       []release.Status
	Alerts   bool
	Every    bool
	Services []string // only these; empty = all
}

// Slack is a channel by bot token, or an incoming webhook's URL.
type Slack struct {
	Token   Ref
	Channel string
	URL     Ref

	// AppToken opens Socket Mode, and Users are the member ids ("U012ABC4D") of
	// those whose clicks count. With both, messages have buttons; there is none
	// without the other.
	AppToken Ref
	Users    []string
	// API is where Slack's Web API is; "" = https://slack.com/api.
	API string
}

// Buttons tells whether the channel's messages have buttons.
func (s *Slack) Buttons() bool { return s != nil && !s.AppToken.IsZero() && len(s.Users) > 0 }

// Hook is a signed webhook that receives events.
type Hook struct {
	URL    Ref // may be literal
	Secret Ref // unset: unsigned
}

// Heartbeat calls a URL while all is well, so that its owner notices silence.
type Heartbeat struct {
	URL   Ref // may be literal
	Every time.Duration
}

// Registry is what the operator says about one image registry.
type Registry struct {
	// Mirror is asked before it, by us and by the hosts' engines: host[:port],
	// or http://host:port, and the folder where it has this registry's images.
	Mirror string
	// MirrorUser and MirrorPassword are the account at the mirror, where it wants
	// one. Written mirror: { address: …, username: …, password: { env: … } }.
	MirrorUser     string
	MirrorPassword Ref
	CA             string // path of PEM certificates
	Insecure       bool   // plain HTTP
}

// Log is what the daemon logs.
type Log struct {
	Level  string // debug, info (default), warn, error
	Format string // text (default) or json
}

// Load reads a file. All that is wrong with its content is one error of type
// Problems.
func Load(file string) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(file, filepath.Dir(absolute), data)
}
