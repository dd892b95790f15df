package buttons

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
)

// Orders is a slack.Desk: it takes what people ask for by the buttons of
// messages.
type Orders struct {
	Store  *store.Store
	Submit func(context.Context, server.Order) error
}

// Order accepts an order about the newest release of a lane, and refuses one
// about any other: its message shows what is not so any more.
func (o Orders) Order(ctx context.Context, ask release.Order) (string, error) {
	r, err := o.Store.Release(ctx, ask.Release)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", fmt.Errorf("this Fairlead does not know that release of %s; where two share a Slack app, give each its own", ask.Lane)
	case err != nil:
		return "", err
	case r.Lane != ask.Lane || r.Revision.Repo != ask.Repo:
		return "", fmt.Errorf("the button is not of that release of %s", ask.Lane)
	}
	newest, err := o.Store.Releases(ctx, store.Filter{Lane: r.Lane, Statuses: telling(), Limit: 1})
	if err != nil {
		return "", err
	}
	if len(newest) > 0 && newest[0].ID != r.ID {
		return "", fmt.Errorf("%s is no longer the newest: %s of %s %s; use the buttons of its message", nameOf(r), nameOf(newest[0]), r.Lane, stands(newest[0].Status))
	}
	held, err := o.Store.Held(ctx, r.Lane)
	if err != nil {
		return "", err
	}
	good, err := o.Store.Releases(ctx, store.Filter{Lane: r.Lane, Statuses: []release.Status{release.Succeeded}})
	if err != nil {
		return "", err
	}
	order, what, err := decide(ask, r, held, good)
	if err != nil {
		return "", err
	}
	return what, o.Submit(ctx, order)
}

// telling are the statuses of releases that people are told of: others came to
// nothing, and leave the one before as the newest.
func telling() []release.Status {
	return []release.Status{
		release.Queued, release.Planning, release.Waiting, release.Preparing, release.Switching, release.Watching, release.RollingBack,
		release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman,
	}
}

// decide makes of what a person asks in view of the newest release what the
// desk is asked for, and says it in words. Its error says why not.
func decide(ask release.Order, r release.Release, held *release.Hold, good []release.Release) (server.Order, string, error) {
	o := server.Order{Action: server.Action(ask.Action), Repo: ask.Repo, Destination: ask.Lane.Destination, Actor: ask.Actor}
	switch ask.Action {
	case release.ActionRollback:
		version, to, err := wayBack(r, good)
		o.Version = version
		return o, fmt.Sprintf("a rollback of %s to %s", r.Lane, to), err
	case release.ActionRetry:
		if held != nil {
			return o, "", fmt.Errorf("%s is %s; resume it first", r.Lane, held)
		}
		return o, "another try of " + r.Lane.String(), retries(r)
	case release.ActionHold:
		o.Why = "by a button in Slack"
		if held != nil {
			return o, "", fmt.Errorf("%s is %s already", r.Lane, held)
		}
		return o, "a hold on " + r.Lane.String(), nil
	case release.ActionResume:
		if held == nil {
			return o, "", fmt.Errorf("nobody holds %s; it follows Git", r.Lane)
		}
		return o, "an end of the hold on " + r.Lane.String(), nil
	}
	return o, "", fmt.Errorf("%q is nothing that can be asked for", ask.Action)
}

// retries tells why a release cannot be tried again.
func retries(r release.Release) error {
	switch r.Status {
	case release.Failed, release.RolledBack, release.NeedsHuman:
		return nil
	case release.Waiting:
		if strings.HasPrefix(r.Reason, "quarantined") {
			return nil
		}
		return fmt.Errorf("%s waits for something else: %s", nameOf(r), r.Reason)
	}
	return fmt.Errorf("%s did not fail, so there is nothing to try again", nameOf(r))
}

// wayBack finds where a rollback leads that a person asks for in view of a
// release: to what worked before it. The version is named wherever it says that
// without doubt, for another release may be live before the order's turn comes;
// it is empty where the deployer must choose by what a release was made of.
func wayBack(r release.Release, good []release.Release) (version, shown string, err error) {
	if r.Status != release.Succeeded {
		return wayBackFromOpen(r, good)
	}
	target, ok := history.Target(good, "")
	switch {
	case !ok && r.Previous != "" && r.Previous != r.Version:
		return r.Previous, shortVersion(r.Previous), nil // what ran when Fairlead took over
	case !ok:
		return "", "", fmt.Errorf("no earlier release of %s worked; `fairlead rollback %s VERSION` goes to one that is on the hosts", r.Lane, r.Lane)
	}
	if same, _ := history.Target(good, target.Version); same.ID == target.ID {
		version = target.Version
	}
	return version, nameOf(target), nil
}

// wayBackFromOpen is wayBack from a release that did not succeed, or not yet:
// what worked before it is then the newest that did.
func wayBackFromOpen(r release.Release, good []release.Release) (version, shown string, err error) {
	version = r.Previous
	if len(good) > 0 {
		version = good[0].Version
	}
	switch {
	case version == "":
		return "", "", fmt.Errorf("no earlier release of %s worked", r.Lane)
	case version == r.Version && !r.Status.Terminal():
		return "", "", fmt.Errorf("%s has the same version as the release before it; wait until it has ended", nameOf(r))
	}
	return version, shortVersion(version), nil
}

// nameOf names a release as people do: by its version, else by its commit.
func nameOf(r release.Release) string {
	if r.Version == "" {
		return r.Revision.Short()
	}
	return shortVersion(r.Version)
}

var commitName = regexp.MustCompile(`^[0-9a-f]{40}$`)

func shortVersion(v string) string {
	if commitName.MatchString(v) {
		return v[:7]
	}
	return v
}

func stands(s release.Status) string {
	switch s {
	case release.Succeeded:
		return "is live"
	case release.RolledBack:
		return "was rolled back"
	case release.Failed:
		return "failed"
	case release.NeedsHuman:
		return "needs a human"
	case release.Waiting:
		return "waits"
	}
	return "is on its way"
}
