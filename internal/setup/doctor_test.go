package setup

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
)

func TestTheDoctorTellsOfWebhookCallsThatTheDaemonRefused(t *testing.T) {
	dir := t.TempDir()
	memory, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	conf := &config.Config{Socket: filepath.Join(dir, "s")}
	s, err := server.Open(server.Options{
		Socket: conf.Socket, Memory: memory, Releases: memory, Events: memory, Log: slog.New(slog.DiscardHandler),
		Repos: func() []string { return []string{"shop", "blog"} },
		Refused: func() []server.Refused {
			return []server.Refused{
				{Repo: "shop", LastHour: 12, Last: time.Now(), Reason: "wrong signature"},
				{Repo: "blog", Last: time.Now().Add(-2 * time.Hour), Reason: "wrong signature"},
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	var found Findings
	askDaemon(t.Context(), &found, conf)
	text := lines(found)
	if !strings.Contains(text, "ok   daemon: answers at ") || !strings.Contains(text, "FAIL webhook shop: 12 webhook calls refused in the last hour") ||
		!strings.Contains(text, "→ compare the secret at the forge") {
		t.Errorf("it says\n%s", text)
	}
	if strings.Contains(text, "blog") {
		t.Errorf("what was refused long ago is told:\n%s", text)
	}
}
