// Package port is what a deployer is plugged into: what it remembers, by role,
// and the operator's settings of a repository.
//
// Lives here: these interfaces and nouns. May not live here: who implements
// them (store, daemon), what is done with them (deployer).
package port

import (
	"context"
	"io/fs"

	"github.com/fairlead-deploy/fairlead/deployer/alert"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Releases keeps releases; each Save writes the release and its event in one
// transaction.
type Releases interface {
	Save(ctx context.Context, r release.Release, ev release.Event) (int64, error)
	// Succeeded returns the lane's newest releases that succeeded, newest first.
	Succeeded(ctx context.Context, lane release.Lane, n int) ([]release.Release, error)
	// Recent returns the lane's newest releases, newest first.
	Recent(ctx context.Context, lane release.Lane, n int) ([]release.Release, error)
}

// Quarantines keeps identities that failed by their own fault.
type Quarantines interface {
	Quarantine(ctx context.Context, lane release.Lane, identity string, id release.ID) error
	Quarantined(ctx context.Context, lane release.Lane, identity string) (release.ID, bool, error)
	LiftQuarantine(ctx context.Context, lane release.Lane) error
}

// Wishes keeps what people decided about a lane, and about hosts.
type Wishes interface {
	Hold(ctx context.Context, h release.Hold) error
	Unhold(ctx context.Context, lane release.Lane) error
	Held(ctx context.Context, lane release.Lane) (*release.Hold, error)
	// Cordons are of hosts, for all lanes.
	Cordons(ctx context.Context) ([]release.Cordon, error)
}

// Adoptions keeps which lanes Fairlead has taken over.
type Adoptions interface {
	Adopt(ctx context.Context, lane release.Lane, by string) error
	Adopted(ctx context.Context, lane release.Lane) (bool, error)
}

// Memory is all that a deployer remembers, by role.
type Memory struct {
	Releases    Releases
	Effects     record.Effects
	Pins        image.Pins
	Quarantines Quarantines
	Wishes      Wishes
	Adoptions   Adoptions
	Alerts      alert.Alerts
}

// Settings are the operator's words on one repository (fairlead.yml).
type Settings struct {
	ConfigFile string // path in the repository; empty: Kamal's places
	Mode       Mode
	// Allow lists what the repository may do beyond running containers.
	Allow []string
	// Policy is how much of the hosts deploy.yml may ask for.
	Policy policy.Policy
	// Cordoned has the hosts, by their name in deploy.yml, that get no new
	// release, with the reason: those of Memory besides. They catch up later.
	Cordoned map[string]string
	// ImageTag goes before x-fairlead.image_tag; empty leaves it to deploy.yml.
	ImageTag string
	// Env answers ENV["NAME"] in deploy.yml's templates; nil knows no name.
	Env func(name string) (string, bool)
	// Command runs a command of deploy.yml's templates; nil refuses them.
	Command func(ctx context.Context, command string) (string, error)
	// Secrets opens the places where the repository's secrets are.
	Secrets func(ctx context.Context, files fs.FS, destination, path string) (secret.Source, error)
}

// Reading is how a deploy.yml of the repository is read for a request.
func (s Settings) Reading(ctx context.Context, req release.Request) spec.Options {
	o := spec.Options{Path: s.ConfigFile, Destination: req.Destination, Version: req.Version, Env: s.Env}
	if s.Command != nil {
		o.AllowCommands = true
		o.Command = func(command string) (string, error) { return s.Command(ctx, command) }
	}
	return o
}

// Mode is how far Fairlead may go with a repository.
type Mode string

// The modes. ModeAsk, the default, deploys but for the first contact with
// containers that somebody else started.
const (
	ModeAsk     Mode = ""
	ModeDeploy  Mode = "deploy"
	ModeObserve Mode = "observe"
)
