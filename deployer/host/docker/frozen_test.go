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

// frozen is a client of an engine that answers pings and starts a pull, and
// says nothing more.
func frozen(t *testing.T) *docker.Engine {
	t.Helper()
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
				case strings.HasSuffix(r.URL.Path, "/_ping"):
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
		e := frozen(t)
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
		e := frozen(t)
		began := time.Now()
		err := e.Pull(t.Context(), "shop:1", docker.Auth{}, nil)
		if took := time.Since(began); !errors.Is(err, docker.ErrStalled) || took != docker.PullStall {
			t.Errorf("after %s: %v", took, err)
		}
		_ = e.Close()
	})
}
