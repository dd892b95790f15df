package deployer

import (
	"context"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// rollback turns the attempt into one that goes to an earlier release: to the
// last that succeeded before the current one, or to that of a version. What it
// was made of is read from what was stored of it, not from today's Git.
func (a *attempt) rollback(ctx context.Context) error {
	target, ok := history.Target(a.good, a.s.req.Version)
	if a.s.req.Scale != nil {
		if err := a.scales(); err != nil {
			return err
		}
		target, ok = a.good[0], true
	}
	if !ok {
		if a.s.req.Version == "" && len(a.good) > 0 && a.good[0].Previous != "" && a.good[0].Previous != a.good[0].Version {
			a.target = &release.Release{Version: a.good[0].Previous} // what ran when Fairlead took over
			a.s.req.Version = a.target.Version
			return nil
		}
		if a.s.req.Version == "" {
			return &badFileError{
				step: "roll back", err: fmt.Errorf("no earlier release of %s succeeded", a.r.Lane),
				next: fmt.Sprintf("name a version that is on the hosts: `fairlead rollback %s VERSION`", a.r.Lane),
			}
		}
		a.target = &release.Release{Version: a.s.req.Version} // somebody else's, perhaps still on the hosts
		return nil
	}
	if _, err := a.aim(ctx, target); err != nil {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// scales refuses to scale what is not there. What it goes to is what is live,
// as it was made, with another number of containers.
func (a *attempt) scales() error {
	if len(a.good) == 0 {
		return &badFileError{step: "scale", err: fmt.Errorf("no release of %s succeeded yet", a.r.Lane), next: "deploy it first"}
	}
	for role := range a.s.req.Scale {
		if !slices.ContainsFunc(a.deploy.Roles, func(r spec.Role) bool { return r.Name == role }) {
			return &badFileError{step: "scale", err: fmt.Errorf("%s has no role %s", a.r.Lane, role), next: "name one of its roles: `fairlead plan` lists them"}
		}
	}
	return nil
}
