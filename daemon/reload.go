package daemon

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
)

// fileEvery is how often the configuration's file is compared with what is in
// force.
const fileEvery = 5 * time.Second

// watchFile passes on the configuration when its file has changed, or when a
// reload was asked for, and says what is wrong with it otherwise.
func (d *Daemon) watchFile(ctx context.Context, changed chan<- *config.Config) {
	if d.o.File == "" {
		return
	}
	last, _ := os.ReadFile(d.o.File)
	d.alarm(ctx, nil) // this one was read
	tick := time.NewTicker(fileEvery)
	defer tick.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-d.o.Reload:
			asked = true
		case <-tick.C:
		}
		text, err := os.ReadFile(d.o.File)
		if err != nil || !asked && bytes.Equal(text, last) {
			if asked {
				d.o.Log.Error("configuration not read; the old one stays in force", "file", d.o.File, "error", err)
			}
			continue
		}
		last = text
		c, err := config.Load(d.o.File)
		if err != nil {
			d.o.Log.Error("configuration is not right; the old one stays in force", "file", d.o.File, "error", err)
		}
		d.alarm(ctx, err)
		if err != nil {
			continue
		}
		if old := d.current().conf; old.Socket != c.Socket || old.Listen != c.Listen || old.DataDir != c.DataDir {
			d.o.Log.Warn("socket, listen and data_dir only change with a restart", "file", d.o.File)
			c.Socket, c.Listen, c.DataDir = old.Socket, old.Listen, old.DataDir
		}
		select {
		case changed <- c:
		case <-ctx.Done():
			return
		}
	}
}

// alarm raises an alert where fairlead.yml is not right, and ends it where it
// is: what somebody wrote there may never come into force, unnoticed.
func (d *Daemon) alarm(ctx context.Context, wrong error) {
	ev := release.Event{Key: "fairlead.yml", Message: d.o.File + " is right again, and in force"}
	say := d.store.Clear
	if wrong != nil {
		say = d.store.Raise
		ev.Message = d.o.File + " is not right, and the one read before stays in force; `fairlead check` names the mistakes"
	}
	if _, err := say(ctx, ev); err != nil {
		d.o.Log.Error("alert not stored", "key", ev.Key, "error", err)
	}
}
