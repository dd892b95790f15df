package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/follow"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/itself"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

// LocalFlags are those of verbs that also work without a daemon.
type LocalFlags struct {
	Local *bool   // --local
	File  *string // -c, the checkout's deploy.yml
	Log   *bool   // --log
}

// AddLocalFlags adds them.
func AddLocalFlags(cmd *cobra.Command) LocalFlags {
	return LocalFlags{
		Local: cmd.Flags().Bool("local", false, "work from this checkout, though a daemon answers"),
		File:  cmd.Flags().StringP("config-file", "c", "", "from a checkout: its deploy.yml (default config/deploy.yml, else deploy.yml)"),
		Log:   cmd.Flags().Bool("log", false, "from a checkout: print the log, too"),
	}
}

// Alone is a checkout and what deploys it without a daemon.
type Alone struct {
	*daemon.Local
	checkout *daemon.Checkout
	notes    notes
}

// Close ends its connections.
func (a *Alone) Close() error {
	a.notes.tell()
	return errors.Join(a.Local.Close(), a.checkout.Close())
}

// notes are what a person is told beside the answer, once each.
type notes struct {
	cmd  *cobra.Command
	all  func() []string // gets longer
	told int
}

// tell tells of those that are new: at the beginning, and at the end of what
// turned up when hosts were reached.
func (n *notes) tell() {
	all := n.all()
	for _, note := range all[n.told:] {
		Warn(n.cmd, "%s", note)
	}
	n.told = len(all)
}

// Open prepares to work without a daemon.
func (f LocalFlags) Open(cmd *cobra.Command, destination string) (*Alone, error) {
	state, err := daemon.StateDir()
	if err != nil {
		return nil, err
	}
	checkout, o, err := f.prepare(cmd, destination)
	if err != nil {
		return nil, err
	}
	o.State = state
	l, err := daemon.OpenLocal(cmd.Context(), checkout, o)
	if err != nil {
		return nil, errors.Join(err, checkout.Close())
	}
	a := &Alone{l, checkout, notes{cmd: cmd, all: l.Notes}}
	a.notes.tell()
	return a, nil
}

// prepare opens the project that this is called in, and says what to work on
// it with.
func (f LocalFlags) prepare(cmd *cobra.Command, destination string) (*daemon.Checkout, daemon.LocalOptions, error) {
	checkout, err := f.checkout(destination)
	if err != nil {
		return nil, daemon.LocalOptions{}, err
	}
	conf, err := Operator(cmd)
	if err != nil {
		return nil, daemon.LocalOptions{}, errors.Join(err, checkout.Close())
	}
	log := slog.New(slog.DiscardHandler)
	if *f.Log {
		log = NewLog(config.Log{Level: "debug"}, cmd.ErrOrStderr())
	}
	return checkout, daemon.LocalOptions{Config: conf, Version: Version(cmd), Log: log, Rand: NewRand(), Binary: itself.Program}, nil
}

// checkout opens the project that this is called in.
func (f LocalFlags) checkout(destination string) (*daemon.Checkout, error) {
	c, err := daemon.OpenCheckout(".", *f.File, destination)
	if errors.Is(err, daemon.ErrNoCheckout) {
		return nil, Hint("start the daemon with `fairlead watch`, name its fairlead.yml with --config, or go to a checkout", "no daemon answers, and %w", err)
	}
	return c, err
}

// Means tells whether a word names what the checkout deploys.
func (a *Alone) Means(name string) bool {
	lane := a.checkout.Lane()
	return name == "" || name == lane.Service || name == lane.String()
}

// do does without a daemon what is ordered.
func (a *Alone) do(cmd *cobra.Command, o server.Order, f FollowFlags) error {
	lane := a.checkout.Lane()
	o.Repo, o.Destination, o.Actor = lane.Service, lane.Destination, Actor()
	for _, w := range a.checkout.Warnings {
		Warn(cmd, "%s", w)
	}
	if !*f.asJSON {
		_ = Say(cmd, fmt.Sprintf("%s of %s at %s from here; Ctrl-C stops at a safe point\n", o.Action, lane, a.Revision().Short()))
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), *f.timeout, errStopped)
	defer cancel()
	o.Release = a.Name()
	mine := &follow.Order{Release: o.Release}
	err := a.Do(ctx, o.Request(), func(ctx context.Context, after int64) error {
		return told(ctx, cmd, mine, a.Events, after, *f.asJSON)
	})
	if ctx.Err() == nil {
		return err
	}
	return a.stopped(cmd, ctx)
}

// stopped tells where an interrupted rollout stands, and how it goes on.
func (a *Alone) stopped(cmd *cobra.Command, ctx context.Context) error {
	after, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), 10*time.Second, errors.New("what is remembered cannot be read"))
	defer cancel()
	r, known, err := a.Last(after)
	w := cmd.ErrOrStderr()
	switch {
	case err != nil:
		return err
	case known && r.Status.Terminal() && r.Status != release.Superseded:
		_, _ = fmt.Fprintf(w, "stopped; %s had ended: %s\n", r.Lane, r.Reason)
	default:
		stopNote(w, r, known)
	}
	if errors.Is(context.Cause(ctx), errStopped) {
		return ExitError(1)
	}
	return ExitError(ExitInterrupted)
}

func stopNote(w io.Writer, r release.Release, known bool) {
	done := "nothing was changed"
	switch r.Status {
	case release.Preparing:
		done = "the traffic is where it was"
	case release.Switching, release.Watching:
		done = "some or all traffic may be on the new version, and the old containers still run"
	case release.RollingBack:
		done = "it was on its way back"
	}
	if !known {
		r.Status = release.Queued
	}
	_, _ = fmt.Fprintf(w, "stopped at a safe point, while it was %s: %s and the lock is free\n  → `fairlead deploy` goes on from here, `fairlead rollback` goes back\n",
		show.Style{}.Status(r.Status), done)
}
