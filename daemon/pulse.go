package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/systemd"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// pulse tells the service manager that the daemon lives, for as long as all of
// it does, and when it comes to rest. A daemon that hangs is silent, and
// started anew.
func (d *Daemon) pulse(ctx context.Context) error {
	defer d.tell(ctx, systemd.Stopping, "")
	every := d.o.Manager.Interval()
	if every <= 0 {
		<-ctx.Done()
		return nil
	}
	api := client.New(d.o.Config.Socket)
	defer api.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := d.alive(ctx, api, every)
		switch {
		case err == nil:
			d.tell(ctx, systemd.Alive, "")
		case ctx.Err() == nil:
			d.o.Log.Error("no sign of life", "error", err)
		}
	}
}

// alive asks the loops that everything else hangs on for an answer: the one
// that runs the parts, the store's, and the API's.
func (d *Daemon) alive(ctx context.Context, api *client.Client, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	beat := make(chan struct{})
	select {
	case d.beats <- beat:
	case <-ctx.Done():
		return fmt.Errorf("ask the parts: %w", context.Cause(ctx))
	}
	if _, err := d.store.Looks(ctx); err != nil {
		return fmt.Errorf("ask the store: %w", err)
	}
	// What it says of the world does not matter here, only that it answers.
	if _, err := api.Health(ctx); errors.Is(err, client.ErrNoDaemon) || ctx.Err() != nil {
		return fmt.Errorf("ask the API: %w", err)
	}
	return nil
}

// ready says that the configuration in force is at work.
func (d *Daemon) ready(ctx context.Context) {
	d.tell(ctx, systemd.Ready, "watching "+release.Count(len(d.current().conf.Repositories), "repository"))
}

func (d *Daemon) tell(ctx context.Context, s systemd.State, status string) {
	if err := d.o.Manager.Tell(context.WithoutCancel(ctx), s, status); err != nil {
		d.o.Log.Warn("service manager not told", "state", string(s), "error", err)
	}
}
