package docker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
)

// wire is a client of a handler that answers as an engine would: for answers
// that a sound engine does not give.
func wire(t *testing.T, api string, answer http.HandlerFunc) *docker.Engine {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", api)
		if strings.HasSuffix(r.URL.Path, "/_ping") {
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	e := docker.New("web-1", func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func TestTheVersionIsAgreedOnBothWays(t *testing.T) {
	for api, want := range map[string]string{"1.40": "/v1.40/", "1.41": "/v1.41/", "1.99": "/v1.56/"} {
		var path string
		e := wire(t, api, func(w http.ResponseWriter, r *http.Request) { path = r.URL.Path; _, _ = io.WriteString(w, "[]") })
		if _, err := e.Images(t.Context(), nil); err != nil || !strings.HasPrefix(path, want) {
			t.Errorf("an engine of %s was asked for %s, %v", api, path, err)
		}
	}
	e := wire(t, "1.39", func(http.ResponseWriter, *http.Request) { t.Error("an engine that is too old was asked") })
	if _, err := e.Images(t.Context(), nil); !errors.Is(err, docker.ErrTooOld) || !strings.Contains(err.Error(), "1.39") {
		t.Errorf("an engine that is too old: %v", err)
	}
}

func TestAFailedPullSaysWhatIsWrong(t *testing.T) {
	inStream := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"status":"Pulling"}{"errorDetail":{"code":%d,"message":%q},"error":%q}`, code, text, text)
		}
	}
	asStatus := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"message":%q}`, text)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"missing":               {asStatus(404, "manifest for shop:1 not found"), docker.ErrImageNotFound},
		"missing by code":       {asStatus(500, "manifest unknown"), docker.ErrImageNotFound},
		"no login":              {asStatus(500, "unauthorized: authentication required"), docker.ErrUnauthorized},
		"forbidden":             {asStatus(403, "x"), docker.ErrUnauthorized},
		"limited":               {inStream(0, "toomanyrequests: You have reached your pull rate limit"), docker.ErrTooManyRequests},
		"limited by code":       {inStream(429, "slow down"), docker.ErrTooManyRequests},
		"disk full":             {inStream(0, "write /var/lib/docker/tmp/x: no space left on device"), docker.ErrDiskFull},
		"something else":        {asStatus(500, "boom"), nil},
		"cut off in the stream": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"status":"Pul`) }, nil},
	} {
		err := wire(t, "1.41", c.answer).Pull(t.Context(), "shop:1", docker.Auth{}, nil)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallEndsWithTheCallersReason(t *testing.T) {
	release := make(chan struct{})
	e := wire(t, "1.41", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("asked too long"))
	defer cancel()
	if _, err := e.Info(ctx); err == nil || !strings.Contains(err.Error(), "asked too long") || !strings.Contains(err.Error(), "web-1") {
		t.Error(err)
	}
}

func TestAnEndlessAnswerIsCut(t *testing.T) {
	e := wire(t, "1.41", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `["`)
		for chunk := strings.Repeat("x", 1<<20); ; {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	if _, err := e.Images(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") {
		t.Error(err)
	}
}

func TestAContainerThatLooksTheSameIsNotInspectedAgain(t *testing.T) {
	var inspects atomic.Int64
	status := atomic.Pointer[string]{}
	first := "Up 3 minutes"
	status.Store(&first)
	e := wire(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_, _ = fmt.Fprintf(w, `[{"Id":"c1","Names":["/web"],"State":"running","Status":%q,"ImageID":"sha256:a"}]`, *status.Load())
		case strings.Contains(r.URL.Path, "/images/"):
			_, _ = io.WriteString(w, `{"Id":"sha256:a"}`)
		default:
			inspects.Add(1)
			_, _ = io.WriteString(w, `{"Id":"c1","Name":"/web","Image":"sha256:a","State":{"Status":"running"},"Config":{},"HostConfig":{}}`)
		}
	})
	for i, step := range []struct {
		status string
		want   int64
	}{{"Up 3 minutes", 1}, {"Up 4 minutes", 1}, {"Up 4 minutes (unhealthy)", 2}, {"Up 5 minutes (unhealthy)", 2}, {"Up 2 seconds", 3}} {
		status.Store(&step.status)
		all, err := e.Containers(t.Context(), nil)
		if err != nil || len(all) != 1 || all[0].Name != "web" || inspects.Load() != step.want {
			t.Errorf("step %d: %v, %v, %d inspects", i, all, err, inspects.Load())
		}
	}
}

func TestARelativeFolderIsNotTakenForAVolume(t *testing.T) {
	e := dockertest.Engine(t)
	_, err := e.Create(t.Context(), dockertest.ID(t), container.Spec{Image: "x", Mounts: []container.Mount{{Kind: container.Bind, Source: "data/x", Target: "/x"}}})
	if err == nil || !strings.Contains(err.Error(), "absolute") {
		t.Error(err)
	}
}

// The stream goes on beyond what is told here, as that of an engine whose
// clock has not yet come to `until`; an end that is known waits for nothing.
func TestAnEndForWantOfMemoryIsSeenThoughTheEngineTellsItLate(t *testing.T) {
	finished := time.Unix(1700000000, 500)
	oom := func(after time.Duration) string {
		return fmt.Sprintf(`{"Type":"container","Action":"oom","timeNano":%d}`, finished.Add(after).UnixNano())
	}
	die := func(after time.Duration, code int) string {
		return fmt.Sprintf(`{"Type":"container","Action":"die","Actor":{"Attributes":{"exitCode":"%d"}},"timeNano":%d}`, code, finished.Add(after).UnixNano())
	}
	for name, c := range map[string]struct {
		events  []string
		ended   bool // the engine ends the stream: until has come
		want    container.Ending
		unknown bool
	}{
		"before it":                        {events: []string{oom(-time.Millisecond), die(0, 137)}, want: container.Ending{ExitCode: 137, OOMKilled: true}},
		"after it":                         {events: []string{die(time.Microsecond, 137), oom(400 * time.Millisecond)}, want: container.Ending{ExitCode: 137, OOMKilled: true}},
		"never":                            {events: []string{die(0, 137)}, ended: true, want: container.Ending{ExitCode: 137}},
		"of an end before":                 {events: []string{oom(-time.Minute), die(-time.Minute, 137), die(0, 3)}, want: container.Ending{ExitCode: 3}},
		"after an end that came after":     {events: []string{die(0, 137), die(time.Millisecond, 1)}, ended: true, want: container.Ending{ExitCode: 137}},
		"though the engine forgot the end": {ended: true, unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := wire(t, "1.41", func(w http.ResponseWriter, r *http.Request) {
				if until := r.URL.Query().Get("until"); until != "1700000001.000000500" {
					t.Errorf("asked for what came until %s", until)
				}
				for _, event := range c.events {
					_, _ = io.WriteString(w, event+"\n")
				}
				if _ = http.NewResponseController(w).Flush(); !c.ended {
					<-r.Context().Done()
				}
			})
			end, ok, err := e.LastEnd(t.Context(), "c1", finished)
			if err != nil || ok == c.unknown || end != c.want {
				t.Errorf("it ended %+v (%t, %v), want %+v", end, ok, err, c.want)
			}
		})
	}
}
