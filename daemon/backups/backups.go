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

// How often it looks which services there are; a daemon that has just started
// reads their repositories in its first seconds.
const (
	often  = 5 * time.Second
	seldom = time.Minute
	least  = time.Second // between two dumps, whatever a schedule says
)

// Run takes backups until ctx ends.
func (n Nightly) Run(ctx context.Context) error {
	if err := n.Dumps.Sweep(); err != nil {
		n.Log.Warn("half a dump not removed", "error", err)
	}
	started, tried := time.Now(), map[string]time.Time{}
	timer := time.NewTimer(often)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		services, wait := n.Services(ctx), seldom
		if len(services) == 0 && time.Since(started) < seldom {
			wait = often
		}
		next := n.look(ctx, services, started, tried)
		if !next.IsZero() {
			wait = max(min(wait, time.Until(next)), least)
		}
		timer.Reset(wait)
	}
}

// look takes what is due now, and tells when the next is; the zero time is
// never. tried has when each was tried last.
func (n Nightly) look(ctx context.Context, services []Service, started time.Time, tried map[string]time.Time) (next time.Time) {
	for _, s := range services {
		for _, a := range s.Accessories {
			if ctx.Err() != nil {
				return time.Time{}
			}
			key := s.Lane.String() + "/" + a.Name
			at := n.next(s, a, started, tried[key])
			if !at.IsZero() && !at.After(time.Now()) {
				tried[key] = time.Now()
				n.take(ctx, s, a.Name, key)
				at = n.next(s, a, started, tried[key])
			}
			if next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	return next
}

// next is when an accessory is due that was tried last at a time.
func (n Nightly) next(s Service, a spec.Accessory, started, last time.Time) time.Time {
	if a.Backup.Schedule == "" {
		return time.Time{}
	}
	if list, err := n.Dumps.List(s.Lane, a.Name); err == nil && len(list) > 0 && list[0].Taken.After(last) {
		last = list[0].Taken
	}
	return backup.Next(a.Backup, last, started, n.Zone)
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
