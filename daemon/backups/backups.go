// Package backups takes the accessories' backups that deploy.yml schedules, one
// at a time, and tells when one fails.
//
// When the last one was taken is read from the dumps that are kept; only tries
// that failed are remembered, for as long as the daemon runs.
//
// Lives here: the waiting and the telling. May not live here: how a backup is
// taken (deployer/accessory/backup).
package backups

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/alert"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Service is one service whose accessories may have schedules.
type Service struct {
	Lane        release.Lane
	Accessories []spec.Accessory
	Do          func(ctx context.Context, ask operation.Ask, who operation.Caller) error
}

// Nightly takes backups when they are due.
type Nightly struct {
	// Services are those that there are at the moment.
	Services func(ctx context.Context) []Service
	Dumps    backup.Folder
	Alerts   alert.Alerts
	Zone     *time.Location // of the schedules
	Log      *slog.Logger
}

// every is how often it looks for what is due.
const every = time.Minute

// Run takes backups until ctx ends.
func (n Nightly) Run(ctx context.Context) error {
	started, tried := time.Now(), map[string]time.Time{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n.Look(ctx, started, tried)
	}
}

// Look takes what is due now. tried has when each was tried last.
func (n Nightly) Look(ctx context.Context, started time.Time, tried map[string]time.Time) {
	for _, s := range n.Services(ctx) {
		for _, a := range s.Accessories {
			if ctx.Err() != nil {
				return
			}
			key := s.Lane.String() + "/" + a.Name
			last := tried[key]
			if list, err := n.Dumps.List(s.Lane, a.Name); err == nil && len(list) > 0 && list[0].Taken.After(last) {
				last = list[0].Taken
			}
			if !backup.Due(a.Backup, last, started, time.Now(), n.Zone) {
				continue
			}
			tried[key] = time.Now()
			n.take(ctx, s, a.Name, key)
		}
	}
}

// take takes one backup.
func (n Nightly) take(ctx context.Context, s Service, name, key string) {
	ask := operation.Ask{Verb: operation.AccessoryBackup, Accessory: name, Destination: s.Lane.Destination, Actor: "schedule"}
	err := s.Do(ctx, ask, operation.Caller{Tell: func(operation.Told) error { return nil }})
	if ctx.Err() != nil {
		return
	}
	ev := release.Event{At: time.Now(), Lane: s.Lane, Key: "backup/" + key, Message: "accessory " + name + " is backed up again"}
	var terr error
	if err == nil {
		n.Log.Info("accessory backed up", "service", s.Lane.String(), "accessory", name)
		_, terr = n.Alerts.Clear(ctx, ev)
	} else {
		n.Log.Warn("accessory not backed up", "service", s.Lane.String(), "accessory", name, "error", err)
		ev.Message = fmt.Sprintf("the scheduled backup of accessory %s failed: %v; the kept ones stay; `fairlead accessory backup %s` tries again", name, err, name)
		_, terr = n.Alerts.Raise(ctx, ev)
	}
	if terr != nil && ctx.Err() == nil {
		n.Log.Warn("backup's alert not written", "service", s.Lane.String(), "error", terr)
	}
}
