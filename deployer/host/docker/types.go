package docker

import (
	"context"
	"io/fs"
	"net"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// A DialFunc opens a connection to the engine's socket. It must return when
// ctx ends.
type DialFunc func(ctx context.Context) (net.Conn, error)

// Info is what an engine says about itself and its machine.
type Info struct {
	APIVersion    string // negotiated, such as "1.41"
	ServerVersion string // such as "20.10.24"
	Arch          string // as Go names it: "amd64", "arm64"
	OS            string // "linux"
	CgroupVersion string // "1" or "2"
	Name          string // the machine's host name
	RootDir       string // where images and volumes are kept
	Ignored       container.Ignored
}

// Auth opens a registry to a pull. The zero value is no credentials.
type Auth struct {
	Username string
	Password secret.Value
	Server   string // the registry's host, such as "ghcr.io"
}

// ExecResult is what a command run in a container left.
type ExecResult struct {
	ExitCode       int
	Stdout, Stderr string // the last 64 KiB of each
}

// Image is one image on the host.
type Image struct {
	ID           string // "sha256:…"
	RepoTags     []string
	RepoDigests  []string
	Created      time.Time
	Size         int64 // bytes
	Architecture string
	Labels       map[string]string
	// Defaults is empty in the answers of Images, which the engine gives
	// without it.
	Defaults container.Defaults
}

// Facts returns the image as containers made of it show it.
func (i Image) Facts() container.ImageFacts {
	return container.ImageFacts{ID: i.ID, RepoTags: i.RepoTags, RepoDigests: i.RepoDigests, Defaults: i.Defaults}
}

// PathInfo is a file or folder in a container.
type PathInfo struct {
	Name       string // last element
	Size       int64
	Mode       fs.FileMode
	ModTime    time.Time
	LinkTarget string
}

// An Event is something that happened to a container.
type Event struct {
	Container string // id
	Name      string
	// Action is the engine's word: "create", "start", "die", "oom", "destroy",
	// "health_status: unhealthy", ….
	Action   string
	ExitCode string // of "die"
	Labels   map[string]string
	Time     time.Time
}
