package deployer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// first plans, and decides on what is newer than what runs and that no commit
// asked for.
func (a *attempt) first(o plan.Observed) (plan.Plan, error) {
	a.newer = map[string]string{}
	if a.found.Newer != "" {
		a.newer[history.DetailTag] = "the tag " + a.found.Version + " names another image now"
	}
	if a.target == nil {
		if err := a.bring(a.compare(o)); err != nil {
			return plan.Plan{}, err
		}
	}
	return a.plan(o), nil
}

// bring decides whether secrets that changed at their source come to what
// otherwise runs as wanted: with a commit that nobody tried yet, by a person's
// word, and where deploy.yml follows them. That is a rollout as any other then,
// all or nothing, and no mending; but its failure says nothing of the commit.
func (a *attempt) bring(p plan.Plan) error {
	names := history.Secrets(p, a.desired, a.good)
	if !a.mends || len(names) == 0 {
		return nil
	}
	newest, _ := a.newest()
	tried := a.known() || newest.Revision.SHA == a.r.Revision.SHA && history.Mends(newest)
	news := "secrets changed at their source: " + strings.Join(names, ", ")
	if tried && !commanded(a.s.req) {
		if !a.deploy.XFairlead.FollowSecrets {
			a.newer[history.DetailSecrets] = news
			return nil
		}
		if until := history.Rests(a.r, a.recent); time.Now().Before(until) {
			a.newer[history.DetailSecrets] = news + " (what brought them failed; tried again after " + until.UTC().Format("15:04 MST") + ")"
			return nil
		}
		a.r.Cause.Kind, a.r.Cause.Detail = release.CauseReconcile, history.DetailSecrets
	}
	a.brings, a.mends, a.each = true, false, false
	return a.hosts.Tighten()
}

// leaveStale leaves units with the containers that they have where these only
// differ by secrets, as long as these are not brought: who mends one container
// does not replace others.
func (a *attempt) leaveStale(p plan.Plan, o plan.Observed) plan.Plan {
	if !a.mends || a.target != nil {
		return p
	}
	stale := history.Stale(p, a.desired, a.good)
	if len(stale) == 0 {
		return p
	}
	a.desired = a.desired.Stay(stale, o)
	return a.compare(o)
}

// sayNewer says what is newer than what runs, with what brings it.
func (a *attempt) sayNewer(what string) string {
	if a.newer[what] == "" {
		return ""
	}
	return fmt.Sprintf("%s; it comes with the next commit, or `fairlead deploy %s`", a.newer[what], a.r.Lane)
}

// tellNewer notes down what is newer than what runs, for status, and that
// nothing is any more.
func (a *attempt) tellNewer(ctx context.Context) (err error) {
	for _, what := range []string{history.DetailTag, history.DetailSecrets} {
		err = errors.Join(err, a.bell().Newer(ctx, what, a.sayNewer(what)))
	}
	return err
}

// quarantine keeps what failed by its own fault from being tried again. What
// worked before with other secrets is not at fault.
func (w *work) quarantine(ctx context.Context) error {
	if w.brings {
		return nil
	}
	return w.d.o.Memory.Quarantines.Quarantine(ctx, w.r.Lane, w.r.Identity, w.r.ID)
}

// what names the release in a sentence.
func (w *work) what() string {
	if w.brings {
		return w.r.Version + " with changed secrets"
	}
	return w.r.Version
}
