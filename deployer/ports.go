package deployer

import (
	"log/slog"
	"math/rand/v2"

	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/image"
	"github.com/fairlead-deploy/fairlead/deployer/port"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
)

// What a deployer is plugged into, as package port has it.
type (
	Memory   = port.Memory
	Settings = port.Settings
	Mode     = port.Mode
)

// The modes.
const (
	ModeAsk     = port.ModeAsk
	ModeDeploy  = port.ModeDeploy
	ModeObserve = port.ModeObserve
)

// Options wire a Deployer.
type Options struct {
	Memory   Memory
	Fleet    reach.Fleet
	Registry image.Registry
	// Yard makes images of commits; nil makes none.
	Yard *build.Yard
	// Settings returns those of a repository; false when it is not configured.
	Settings func(repo string) (Settings, bool)
	Owner    string // of locks: this installation's id
	Rand     *rand.Rand
	Log      *slog.Logger
}
