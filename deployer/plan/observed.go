package plan

import (
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan/seen"
	"github.com/fairlead-deploy/fairlead/release"
)

// What hosts run, as it was read.
type (
	Observed = seen.Observed
	Host     = seen.Host
	Proxy    = seen.Proxy
	Live     = seen.Live
	Key      = seen.Key
)

// VersionOf reads a container's version from its name.
func VersionOf(lane release.Lane, c container.Observed) string { return seen.VersionOf(lane, c) }

// unitName returns SERVICE-ROLE[-DEST], the name of a unit's route and the
// beginning of its containers' names.
func unitName(lane release.Lane, role string) string { return seen.Name(lane, role) }

func isTarget(c container.Observed, to seen.Targets) bool { return seen.IsTarget(c, to) }
