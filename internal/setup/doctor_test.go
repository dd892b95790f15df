package setup

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/container"
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

func TestTheDoctorTellsOfTraefikAndItsFolder(t *testing.T) {
	reads := container.Spec{Image: "traefik:v3.7", Labels: map[string]string{"fairlead.proxy": "traefik"}, Cmd: []string{"--entrypoints.fairlead.address=:8099"}}
	deaf, foreign := reads, reads
	deaf.Cmd, foreign.Labels = []string{"--entrypoints.fairlead.address=:80"}, nil
	var filled []fs.FileInfo
	for _, name := range []string{"shop-web.yml", "blog-web.yml", ".blog-web.yml.abc"} {
		file := filepath.Join(t.TempDir(), name)
		writeText(t, file, "")
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		filled = append(filled, info)
	}
	for want, c := range map[string]struct {
		spec   container.Spec
		status container.Status
		list   []fs.FileInfo
		err    error
	}{
		"ok   h: Traefik runs (traefik:v3.7) and reads 2 routes":                                                                                                                    {reads, container.Running, filled, nil},
		"ok   h: Traefik runs (traefik:v3.7) and reads 0 routes":                                                                                                                    {reads, container.Running, nil, nil},
		"ok   h: Traefik runs (traefik:v3.7), not started by Fairlead: it knows containers by their labels alone":                                                                   {foreign, container.Running, nil, fs.ErrNotExist},
		"FAIL h: its Traefik (traefik:v3.7) does not read Fairlead's files → `fairlead proxy reboot` starts one that does":                                                          {deaf, container.Running, filled, nil},
		"FAIL h: its Traefik does not run → `docker logs traefik` there tells why, `docker start traefik` starts it":                                                                {reads, container.Exited, filled, nil},
		"FAIL h: Traefik runs (traefik:v3.7), but ~/.kamal/proxy/apps-config/.traefik, which it reads, is not there → `fairlead proxy reboot` makes it, `fairlead deploy` fills it": {reads, container.Running, nil, &fs.PathError{Op: "readdir", Err: fs.ErrNotExist}},
		"FAIL h: list Traefik's files: permission denied":                                                                                                                           {reads, container.Running, nil, errors.New("permission denied")},
	} {
		var found Findings
		traefikKind(&found, "h", container.Observed{Spec: c.spec, State: container.State{Status: c.status}}, c.list, c.err)
		if got := lines(found); got != want+"\n" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
