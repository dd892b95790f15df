package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

func TestAWrongConfigurationIsRefusedAndARightOneIsPassedOn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fairlead.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("repositories: { shop: { url: /srv/shop.git } }\n")
	conf, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.Context(), data, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		alerts := func(want int) {
			t.Helper()
			list, err := st.Alerts(t.Context())
			if err != nil || len(list) != want || want > 0 && !strings.Contains(list[0].Message, "stays in force; `fairlead check`") {
				t.Errorf("alerts: %v, %v", list, err)
			}
		}
		var log bytes.Buffer
		asked, changed := make(chan struct{}), make(chan *config.Config)
		d := &Daemon{o: Options{File: file, Reload: asked, Log: slog.New(slog.NewTextHandler(&log, nil))}, parts: &parts{conf: conf}, store: st}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go d.watchFile(ctx, changed)
		synctest.Wait()

		write("repositories: { shop: { url: /srv/shop.git, brnch: main } }\n")
		asked <- struct{}{}
		synctest.Wait()
		if !strings.Contains(log.String(), "stays in force") || !strings.Contains(log.String(), "brnch") {
			t.Errorf("of a wrong file it says %q", log.String())
		}
		alerts(1)
		write("repositories: { shop: { url: /srv/shop.git }, blog: { url: /srv/blog.git } }\nlisten: none\n")
		c := <-changed // nobody asked: it saw that the file is another
		if len(c.Repositories) != 2 || c.Listen != conf.Listen {
			t.Errorf("passed on was %+v", c)
		}
		alerts(0)
	})
}

func TestTheHeartbeatNeedsEveryRepositorySeenAndMessagesSent(t *testing.T) {
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &config.Config{Repositories: map[string]config.Repository{"shop": {Poll: 30 * time.Second}, "blog": {Poll: 30 * time.Second}, "nightly": {Schedule: "@daily"}}}
	d := &Daemon{store: s}
	stands := func(when, want string) {
		t.Helper()
		if ok, why := d.healthy(c); ok != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s it is healthy: %v, %q; want %q", when, ok, why, want)
		}
	}
	look := func(repo string, age time.Duration) {
		at := time.Now().Add(-age)
		if err := s.SaveLook(t.Context(), release.Look{Repo: repo, At: at, State: "ok", OKFrom: at}); err != nil {
			t.Fatal(err)
		}
	}
	look("shop", 0)
	stands("before the first look at one", "blog")
	look("blog", time.Minute)
	stands("when all were seen", "")
	look("shop", time.Hour)
	stands("when one was not seen for an hour", "shop")
	look("shop", 0)

	if _, err := s.Join(t.Context(), "ops"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), release.Event{At: time.Now().Add(-time.Hour), Kind: release.EventAlert, Message: "stuck"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Route(t.Context(), "ops", func(release.Event) store.Route { return store.Send }); err != nil {
		t.Fatal(err)
	}
	stands("with a message that does not get out", "ops")
}
