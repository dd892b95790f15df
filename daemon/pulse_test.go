package daemon

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// The watchdog must bite a daemon whose parts hang, so it gives no sign of
// life unless all of them do.
func TestADaemonWhosePartsHangIsNotAlive(t *testing.T) {
	dir := t.TempDir()
	c := &config.Config{Socket: filepath.Join(dir, "api"), DataDir: filepath.Join(dir, "data"), Reconcile: -1}
	d, err := New(t.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler), Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	api := client.New(c.Socket)
	defer api.Close()
	err = d.alive(t.Context(), api, 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "ask the parts") {
		t.Fatalf("before anything runs: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := d.alive(t.Context(), api, 20*time.Second); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	stop()
	wg.Wait()
	if err := d.alive(t.Context(), api, 50*time.Millisecond); err == nil {
		t.Error("alive after its end")
	}
}
