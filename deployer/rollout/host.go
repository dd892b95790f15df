package rollout

import (
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// Containers makes and moves containers. "Already so" is success.
type Containers interface {
	// Create returns docker.ErrNameTaken when the name is another's.
	Create(ctx context.Context, name string, s container.Spec) (id string, err error)
	Start(ctx context.Context, id string) error
	Stop(ctx context.Context, id string, timeout time.Duration) error
	Rename(ctx context.Context, id, name string) error
}

// Images brings images to a host.
type Images interface {
	// Image returns docker.ErrNotFound when the host has no such image.
	Image(ctx context.Context, ref string) (docker.Image, error)
	Pull(ctx context.Context, ref string, auth docker.Auth, progress func(string)) error
	Tag(ctx context.Context, id, ref string) error
}

// Cleaner removes what is no longer retained. "Already gone" is success.
type Cleaner interface {
	Remove(ctx context.Context, id string) error
	RemoveImage(ctx context.Context, ref string) error
}

// Proxy is a host's reverse proxy.
type Proxy interface {
	// Boot makes it run; present says that a stopped one exists.
	Boot(ctx context.Context, run plan.ProxyRun, present bool) error
	// Deploy sends a route's traffic to containers, by their ids, waits for their
	// health and drains those before. The old route stays when it fails.
	Deploy(ctx context.Context, r plan.Route, containers ...string) error
	// Remove takes a route away.
	Remove(ctx context.Context, service string) error
}

// Splitter tries out a container on a share of a route's clients. Only
// Fairlead's own proxy can.
type Splitter interface {
	// Split sends percent of the clients of a route to containers, once they are
	// healthy; the others stay where they are.
	Split(ctx context.Context, r plan.Route, percent int, containers ...string) error
	// Unsplit sends all clients back and drains; no split is success.
	Unsplit(ctx context.Context, r plan.Route) error
	// Traffic tells what became of the requests of a route that is split.
	Traffic(ctx context.Context, service string) (canary, old health.Traffic, err error)
}

// Networks makes networks exist.
type Networks interface {
	EnsureNetwork(ctx context.Context, name string) error
}

// Files puts files on a host and takes them away, paths relative to the ssh
// user's home.
type Files interface {
	// ReadDir fails with fs.ErrNotExist where there is no such folder.
	ReadDir(ctx context.Context, dir string) ([]fs.FileInfo, error)
	// RemoveAll removes a folder with all in it; nothing there is success.
	RemoveAll(ctx context.Context, path string) error
	MkdirAll(ctx context.Context, dir string, mode fs.FileMode) error
	Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error
}

// Loader takes an image as a stream, as `docker save` writes it.
type Loader interface {
	Load(ctx context.Context, tar io.Reader) error
}

// Archives are the files in containers, running or not, as tar streams.
type Archives interface {
	// CopyTo unpacks a stream into a folder of a container, through its mounts,
	// with the stream's owners.
	CopyTo(ctx context.Context, id, dir string, tar io.Reader) error
	// CopyFrom passes a file or folder to read.
	CopyFrom(ctx context.Context, id, path string, read func(tar io.Reader) error) error
}

// Host is one server as a rollout uses it: each field a role that the same
// engine may play.
type Host struct {
	Name       string
	Containers Containers
	Images     Images
	Cleaner    Cleaner
	Networks   Networks
	Engine     health.Engine
	Prober     health.Prober
	Proxy      Proxy
	Splitter   Splitter
	Files      Files
	Archives   Archives
	Loader     Loader      // nil: the host takes images from registries alone
	Auth       docker.Auth // for pulls
	// Shell runs a constant command line of ours in the login shell of the ssh
	// user; nil or an error: the host is not reached over SSH.
	Shell func(ctx context.Context, line string, st docker.Streams) (code int, err error)
}

// Journal remembers effects: what was meant before, what came of it after.
type Journal interface {
	Intend(ctx context.Context, step string) error
	Done(ctx context.Context, step, result string) error
}

// Guard returns an error when effects may no longer begin on a host: its lock
// is lost.
type Guard func(ctx context.Context, host string) error
