package deployer

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// tends tells whether the attempt looks after accessories: who goes back, or
// names roles or hosts, means the service alone.
func (a *attempt) tends() bool {
	return !a.backs() && !a.s.req.Rollback && a.target == nil && a.source == nil && a.s.req.Only() == "" && len(a.deploy.Accessories) > 0
}

// wantBeside builds what the accessories should be.
func (a *attempt) wantBeside(in plan.Inputs) (err error) {
	if a.crew = (accessory.Crew{}); !a.tends() {
		return nil
	}
	a.crew.Units, err = accessory.Want(a.deploy, accessory.Inputs{
		Release: in.Release, Revision: in.Revision.SHA, Secrets: in.Secrets, Home: in.Home, Environment: in.Environment,
		Files: a.s.files, Env: a.settings.Env,
	})
	if err != nil {
		return &badFileError{err: err}
	}
	return nil
}

// beside puts what is done about accessories before what is done about roles.
func (a *attempt) beside(p plan.Plan, o plan.Observed) plan.Plan {
	may := slices.Contains(a.settings.Allow, "accessories")
	return a.crew.Before(p, o, accessory.Terms{Replace: may, Unproven: accessory.Unproven(a.r.ID, a.recent)})
}
