package daemon

import (
	"bytes"
	"context"
	"os"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
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
