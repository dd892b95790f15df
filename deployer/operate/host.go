package operate

import (
	"context"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// Reader reads what a host has.
type Reader interface {
	Containers(ctx context.Context, labels map[string]string) ([]container.Observed, error)
	Images(ctx context.Context, filter map[string][]string) ([]docker.Image, error)
	LogLines(ctx context.Context, id string, q docker.LogQuery, each func(at time.Time, text string)) error
}

// Runner runs commands in containers.
type Runner interface {
	Attend(ctx context.Context, id string, argv, env []string, st docker.Streams) (code int, err error)
	RunAttended(ctx context.Context, name string, spec container.Spec, st docker.Streams) (code int, err error)
	Launch(ctx context.Context, name string, spec container.Spec) error
}

// Mover starts, stops and removes. "Already so" is success.
type Mover interface {
	Start(ctx context.Context, id string) error
	Stop(ctx context.Context, id string, timeout time.Duration) error
	Remove(ctx context.Context, id string) error
	RemoveImage(ctx context.Context, ref string) error
}

// Proxy steers a host's reverse proxy.
type Proxy interface {
	Deploy(ctx context.Context, r plan.Route, containers ...string) error
	Remove(ctx context.Context, service string) error
	Pause(ctx context.Context, service, message string, drain time.Duration) error
	Serve(ctx context.Context, service string) error
}

// Ground makes a host ready.
type Ground interface {
	Info(ctx context.Context) (docker.Info, error)
	EnsureNetwork(ctx context.Context, name string) error
	// TryLogin returns docker.ErrUnauthorized where a registry refuses an account.
	TryLogin(ctx context.Context, a docker.Auth) error
}

// Host is one server, by the roles that it plays here.
type Host struct {
	Name   string
	Reader Reader
	Runner Runner
	Mover  Mover
	Ground Ground
	Files  lock.Files
	// Proxy and Routes are asked for only where they are needed.
	Proxy  func(ctx context.Context) (Proxy, error)
	Routes func(ctx context.Context) ([]plan.Live, error)
	// Shell runs a person's command line in the login shell of the ssh user.
	Shell func(ctx context.Context, line string, st docker.Streams) (int, error)
}
