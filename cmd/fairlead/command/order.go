package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/follow"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/place"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

// errStopped is the cause when --timeout is over.
var errStopped = errors.New("it took longer than --timeout")

// told prints what comes of an order until its release ends, and how it did:
// nil where the servers are as ordered.
func told(ctx context.Context, cmd *cobra.Command, o *follow.Order, events follow.Stream, after int64, asJSON bool) error {
	o.Tell = func(ev release.Event) error {
		if asJSON {
			return SayLine(cmd, ev)
		}
		return Say(cmd, Style(cmd).Progress(ev)+"\n")
	}
	o.Away = func(err error) { Warn(cmd, "%v", err) }
	r, err := o.Follow(ctx, events, after)
	if err != nil || follow.Good(r) {
		return err
	}
	if !asJSON {
		blame(cmd, r, o.Patient)
	}
	return ExitError(1)
}

// blame prints why a release did not make it, and what to do.
func blame(cmd *cobra.Command, r release.Release, patient bool) {
	s := Style(cmd)
	text := ""
	if r.Failure != nil && r.Status != release.Superseded {
		text = "\n" + cause(r) + s.Failure(r.Failure)
	}
	next := show.Next(r)
	if !patient {
		next = alone(r, next)
	}
	if next != "" {
		text += "  → " + show.Plain(next) + "\n"
	}
	_ = Say(cmd, text) // the status tells, too
}

// cause is the failure's message where the last line did not have it: each of
// deploy.yml's mistakes, for instance.
func cause(r release.Release) string {
	if strings.Contains(r.Reason, r.Failure.Message) {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(r.Failure.Error()) {
		b.WriteString("  " + show.Plain(strings.TrimSpace(line)) + "\n")
	}
	return b.String()
}

// alone is the one thing to do where no daemon runs, which `fairlead retry`
// would need.
func alone(r release.Release, next string) string {
	if r.Status == release.Waiting {
		return "put it right and run the command again; it goes on from here"
	}
	before, _, retry := strings.Cut(next, "`fairlead retry")
	refused := r.Failure != nil && r.Failure.Step == "roll back" // which nothing was tried of
	switch {
	case !retry:
		return next
	case refused:
		return "`docker ps -a` on a host shows the versions that are there; `fairlead rollback VERSION` goes to one"
	}
	if i := strings.LastIndexAny(before, ";,"); i > 0 {
		return before[:i] + "; then `fairlead deploy` again"
	}
	return "mend it; then `fairlead deploy` again"
}

// Order hands an order in and, where it is to be followed, prints what comes of
// it.
func (a *Asking) Order(cmd *cobra.Command, o server.Order, p place.Place, f FollowFlags) error {
	o.Repo, o.Destination, o.Actor = p.Repo, p.Lane.Destination, Actor()
	health, err := a.Health(cmd.Context())
	if err != nil {
		return err
	}
	id, err := a.Submit(cmd.Context(), o)
	if err != nil {
		return interrupted(cmd, err, "the order may have reached the daemon", p)
	}
	if !f.wanted(cmd) {
		if *f.asJSON {
			return SayJSON(cmd, server.Accepted{Accepted: true, Release: id})
		}
		return Say(cmd, fmt.Sprintf("%s of %s is accepted as %s; `fairlead explain %[3]s` tells what comes of it\n", o.Action, p, id))
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), *f.timeout, errStopped)
	defer cancel()
	mine := &follow.Order{Release: id, Patient: true}
	err = told(ctx, cmd, mine, a.Events, health.Seq, *f.asJSON)
	if cmd.Context().Err() == nil && errors.Is(err, errStopped) {
		return Hint("`fairlead explain "+p.String()+"` tells how far it is", "the daemon goes on, but %w", errStopped)
	}
	return interrupted(cmd, err, "stopped following; the daemon goes on", p)
}

// interrupted says what Ctrl-C did not end, where that is what happened.
func interrupted(cmd *cobra.Command, err error, what string, p place.Place) error {
	if err == nil || cmd.Context().Err() == nil {
		return err
	}
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: `fairlead status %s`\n", what, p)
	return ExitError(ExitInterrupted)
}

// FollowFlags say whether and how an order is followed.
type FollowFlags struct {
	asJSON, follow *bool
	timeout        *time.Duration
}

// AddFollowFlags adds them.
func AddFollowFlags(cmd *cobra.Command) FollowFlags {
	return FollowFlags{
		asJSON:  JSONFlag(cmd),
		follow:  cmd.Flags().BoolP("follow", "f", false, "print what happens until the end (default on a terminal)"),
		timeout: cmd.Flags().Duration("timeout", time.Hour, "how long to follow"),
	}
}

// wanted is what was said, else whether somebody looks.
func (f FollowFlags) wanted(cmd *cobra.Command) bool {
	if cmd.Flags().Changed("follow") {
		return *f.follow
	}
	return IsTerminal(cmd.OutOrStdout())
}
