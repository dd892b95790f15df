package backups_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/backups"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	how "github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// told collects alerts as the store does: one for each trouble.
type told struct {
	open map[string]bool
	said []string
}

func (t *told) Raise(_ context.Context, ev release.Event) (bool, error) {
	if t.open[ev.Key] {
		return false, nil
	}
	t.open[ev.Key] = true
	t.said = append(t.said, "raised "+ev.Key+": "+ev.Message)
	return true, nil
}

func (t *told) Clear(_ context.Context, ev release.Event) (bool, error) {
	if !t.open[ev.Key] {
		return false, nil
	}
	delete(t.open, ev.Key)
	t.said = append(t.said, "cleared "+ev.Key)
	return true, nil
}

func TestAScheduledBackupThatFailsIsToldOnceAndSoIsItsRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alerts := &told{open: map[string]bool{}}
		var asks []string
		fails := errors.New("the disk is full")
		db := spec.Accessory{Name: "db", Backup: how.Backup{Cmd: "x", Schedule: "0 3 * * *", Keep: 1, Timeout: time.Minute}}
		n := backups.Nightly{Dumps: backup.Folder{Path: t.TempDir()}, Alerts: alerts, Zone: time.UTC, Log: slog.New(slog.DiscardHandler),
			Services: func(context.Context) []backups.Service {
				return []backups.Service{{Lane: release.Lane{Service: "shop"}, Accessories: []spec.Accessory{db, {Name: "cache"}},
					Do: func(_ context.Context, ask operation.Ask, who operation.Caller) error {
						asks = append(asks, string(ask.Verb)+" "+ask.Accessory+" by "+ask.Actor)
						return errors.Join(who.Tell(operation.Told{Done: "something"}), fails)
					}}}
			}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		time.Sleep(49 * time.Hour) // two nights
		fails = nil
		time.Sleep(24 * time.Hour)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(asks) != 3 || asks[0] != "accessory backup db by schedule" {
			t.Errorf("asked: %q", asks)
		}
		if got := strings.Join(alerts.said, "\n"); len(alerts.said) != 2 || !strings.Contains(got, "raised backup/shop/db: the scheduled backup of accessory db failed: the disk is full") || !strings.HasSuffix(got, "cleared backup/shop/db") {
			t.Error(got)
		}
	})
}

func TestAShortScheduleIsKeptAndHalfADumpIsSweptAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		half := filepath.Join(dir, "shop/db/dump.part")
		if err := errors.Join(os.MkdirAll(filepath.Dir(half), 0o700), os.WriteFile(half, []byte("half"), 0o600)); err != nil {
			t.Fatal(err)
		}
		var at []time.Duration
		begin := time.Now()
		db := spec.Accessory{Name: "db", Backup: how.Backup{Cmd: "x", Schedule: "@every 10s", Keep: 1, Timeout: time.Minute}}
		n := backups.Nightly{Dumps: backup.Folder{Path: dir}, Alerts: &told{open: map[string]bool{}}, Zone: time.UTC, Log: slog.New(slog.DiscardHandler),
			Services: func(context.Context) []backups.Service {
				return []backups.Service{{Lane: release.Lane{Service: "shop"}, Accessories: []spec.Accessory{db},
					Do: func(context.Context, operation.Ask, operation.Caller) error {
						at = append(at, time.Since(begin).Round(time.Second))
						return nil
					}}}
			}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if len(at) < 28 || len(at) > 30 {
			t.Errorf("taken after %v", at)
		}
		if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("half a dump is still there: %v", err)
		}
	})
}
