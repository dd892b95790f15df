package accessory

import (
	"errors"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// Crew are the accessories of one attempt to roll a service out. Its zero value
// is none.
type Crew struct {
	Units []Unit
	// Notes tell what is not as deploy.yml says and stays, after Before.
	Notes []string
	// Touched are the hosts where something is done, once that is known: their
	// locks are taken, too.
	Touched []string
	looked  bool
}

// Before puts what is done about accessories before a plan's own stages. Called
// again, under the locks, it leaves hosts alone that it did not name before.
func (c *Crew) Before(p plan.Plan, o plan.Observed, t Terms) plan.Plan {
	if p.Refused != "" || len(c.Units) == 0 {
		return p
	}
	units := slices.DeleteFunc(slices.Clone(c.Units), func(u Unit) bool { return c.looked && !slices.Contains(c.Touched, u.Host) })
	b := Make(units, o, t)
	if !c.looked {
		c.looked, c.Notes = true, b.Notes
		for _, change := range b.Changes {
			c.Touched = append(c.Touched, change.Host)
		}
	}
	p.Stages, p.Changes = slices.Concat(b.Stages, p.Stages), slices.Concat(b.Changes, p.Changes)
	return p
}

// Hosts adds the accessories' hosts to others.
func (c *Crew) Hosts(others []string) []string {
	names := slices.Concat(others, Hosts(c.Units))
	slices.Sort(names)
	return slices.Compact(names)
}

// Unproven are a release and those of the recent ones, newest first, whose
// accessories have yet to show that they work: those that did not succeed, up to
// one that did and that looked after accessories. What a person asked for may
// have left them alone.
func Unproven(id release.ID, recent []release.Release) map[string]bool {
	list := map[string]bool{string(id): true}
	for _, r := range recent {
		if r.ID == id {
			continue
		}
		succeeded := r.Status == release.Succeeded
		if list[string(r.ID)] = !succeeded; succeeded && r.Cause.Kind != release.CauseManual && r.Only == "" {
			break
		}
	}
	return list
}

// Error is what went wrong with an accessory. The service is untouched, and no
// release of it can be judged by its database: so it is waited out, whoever is
// at fault, and nothing is rolled back.
type Error struct{ Err error }

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Blame makes an error of a stage one of accessories, where it is.
func Blame(st plan.Stage, err error) error {
	if err == nil || st.Name != plan.StageBeside {
		return err
	}
	if v, ok := errors.AsType[*health.Error](err); ok {
		v.Remedy = "read the log lines above and mend the accessory; `fairlead accessory reboot NAME` makes it anew of deploy.yml, and the service follows by itself"
	}
	return &Error{err}
}
