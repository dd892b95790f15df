package docker_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// frozen is a client of an engine that agrees on a version and starts a pull,
// answers pings until it is frozen, and says nothing more.
func frozen(t *testing.T, until time.Duration) *docker.Engine {
	t.Helper()
	began := time.Now()
	return docker.New("web-1", func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			in := bufio.NewReader(theirs)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case strings.HasSuffix(r.URL.Path, "/_ping") && time.Since(began) <= until:
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n")
				case strings.HasSuffix(r.URL.Path, "/images/create"):
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"status\":\"Pulling\"}")
				}
			}
		}()
		return ours, nil
	}, slog.New(slog.DiscardHandler))
}

func TestAFrozenEngineIsGivenUpAfter30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := frozen(t, 0)
		began := time.Now()
		_, err := e.Inspect(t.Context(), "web")
		timeout, ok := errors.AsType[*docker.TimeoutError](err)
		if took := time.Since(began); !ok || took != 30*time.Second || timeout.Host != "web-1" || timeout.Call != "inspect container web" {
			t.Errorf("after %s: %v", took, err)
		}
		_ = e.Close()
	})
}

func TestAPullWithoutProgressIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := frozen(t, time.Hour)
		began := time.Now()
		err := e.Pull(t.Context(), "shop:1", docker.Auth{}, nil)
		if took := time.Since(began); !errors.Is(err, docker.ErrStalled) || took != 30*time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		_ = e.Close()
	})
}

// TestWhatAGoodEngineMayTakeLongOverEndsWhenTheEngineIsFrozen freezes it before
// and during such a call. One that lives has the time that was promised to it.
func TestWhatAGoodEngineMayTakeLongOverEndsWhenTheEngineIsFrozen(t *testing.T) {
	for name, c := range map[string]struct {
		call  func(context.Context, *docker.Engine) error
		limit time.Duration // of an engine that lives
	}{
		"start":   {func(ctx context.Context, e *docker.Engine) error { return e.Start(ctx, "web") }, time.Minute},
		"stop":    {func(ctx context.Context, e *docker.Engine) error { return e.Stop(ctx, "web", 90*time.Second) }, 2 * time.Minute},
		"restart": {func(ctx context.Context, e *docker.Engine) error { return e.Restart(ctx, "web", 90*time.Second) }, 150 * time.Second},
		"remove":  {func(ctx context.Context, e *docker.Engine) error { return e.Remove(ctx, "web") }, time.Minute},
	} {
		for until, want := range map[time.Duration]time.Duration{0: 30 * time.Second, 25 * time.Second: 50 * time.Second, time.Hour: c.limit} {
			t.Run(name+" "+until.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					e := frozen(t, until)
					began := time.Now()
					err := c.call(t.Context(), e)
					timeout, ok := errors.AsType[*docker.TimeoutError](err)
					if took := time.Since(began); !ok || took != want || timeout.Host != "web-1" || !strings.HasPrefix(timeout.Call, name) {
						t.Errorf("after %s: %v", took, err)
					}
					_ = e.Close()
				})
			})
		}
	}
}
