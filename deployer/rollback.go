package deployer

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/release"
)

// rollback turns the attempt into one that goes to an earlier release: to the
// last that succeeded before the current one, or to that of a version. What it
// was made of is read from what was stored of it, not from today's Git.
func (a *attempt) rollback(ctx context.Context) error {
	target, ok := history.Target(a.good, a.s.req.Version)
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
