package build_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/build"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// smithy is an engine in this process that builds by what is in the context:
// "bad" fails, "slow" never ends, anything else is an image at once. What is
// pushed is in the world's registry.
type smithy struct {
	world *fleettest.World
	pipes chan net.Conn
	done  chan struct{}

	mu     sync.Mutex
	builds int
	ended  int // builds whose caller went away
	away   bool
}

func (s *smithy) Machine(context.Context, string, spec.SSH) (build.Machine, error) {
	return build.Machine{Name: "builder", Images: noImages{}, Dial: func(context.Context) (net.Conn, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.away {
			return nil, errors.New("the builder is away")
		}
		ours, theirs := net.Pipe()
		select {
		case s.pipes <- theirs:
			return ours, nil
		case <-s.done:
			return nil, net.ErrClosed
		}
	}}, nil
}

func (s *smithy) Accept() (net.Conn, error) {
	select {
	case c := <-s.pipes:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}
func (s *smithy) Close() error   { close(s.done); return nil }
func (s *smithy) Addr() net.Addr { return &net.UnixAddr{} }

func (s *smithy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/_ping":
		w.Header().Set("Api-Version", "1.41")
	case strings.HasSuffix(path, "/session"):
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // until the other end closes it
		_ = conn.Close()
	case strings.HasSuffix(path, "/build"):
		s.mu.Lock()
		s.builds++
		s.mu.Unlock()
		all, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(all), "bad"):
			_, _ = io.WriteString(w, `{"stream":"the last line\n"}{"errorDetail":{"message":"executor failed running [make]: exit code: 2"}}`)
		case strings.Contains(string(all), "slow"):
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			s.mu.Lock()
			s.ended++
			s.mu.Unlock()
		default:
			_, _ = fmt.Fprintf(w, `{"aux":{"ID":"sha256:%x"}}`, sha256.Sum256(all))
		}
	case strings.HasSuffix(path, "/push"):
		name := strings.TrimSuffix(strings.TrimPrefix(path, "/v1.41/images/"), "/push") + ":" + r.URL.Query().Get("tag")
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
		s.world.PushAs(name, digest, fleettest.App{Boot: time.Second})
		_, _ = fmt.Fprintf(w, `{"aux":{"Digest":%q}}`, digest)
	}
}

// noImages is a builder that keeps nothing.
type noImages struct{}

func (noImages) Image(context.Context, string) (docker.Image, error) {
	return docker.Image{}, docker.ErrNotFound
}
func (noImages) Images(context.Context, map[string][]string) ([]docker.Image, error) { return nil, nil }
func (noImages) RemoveImage(context.Context, string) error                           { return nil }

// settled is longer than any build or rollout of these tests.
const settled = 20 * time.Minute

// lane is a deployer whose repository is allowed what is given.
type lane struct {
	*testing.T
	*smithy
	d    *deployer.Deployer
	more string // of deploy.yml
}

func begin(t *testing.T, allow ...string) *lane {
	s := &smithy{world: fleettest.New(1, "h1", "h2"), pipes: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: s}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := func() { cancel(errors.New("the test ends")) }
	process := s.world.Start("installation", s.world.Memory, stop)
	d := deployer.New(deployer.Options{
		Memory: process.Hand(), Fleet: process, Registry: process, Owner: "installation",
		Yard: &build.Yard{Machines: s, Arch: "amd64", Scratch: t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		Settings: func(string) (deployer.Settings, bool) {
			return deployer.Settings{Allow: allow, Secrets: func(context.Context, fs.FS, string, string) (secret.Source, error) { return nil, nil }}, true
		},
		Rand: rand.New(rand.NewPCG(1, 1)), Log: slog.New(slog.DiscardHandler),
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = d.Run(ctx) })
	wg.Go(func() { _ = server.Serve(s) })
	t.Cleanup(func() {
		stop()
		_ = server.Close()
		wg.Wait()
	})
	return &lane{T: t, smithy: s, d: d}
}

// push submits a commit with that in its context, and lets some time pass.
func (l *lane) push(n, what string, pass time.Duration, cause release.CauseKind) {
	l.Helper()
	files := fstest.MapFS{
		"Dockerfile": {Data: []byte("FROM scratch # " + what)},
		"config/deploy.yml": {Data: []byte("service: shop\nimage: acme/shop\nservers: [h1, h2]\nregistry: { username: acme, password: x }\n" +
			"proxy: { host: shop.example.com }\nbuilder: { arch: amd64 }\n" + l.more)},
	}
	req := release.Request{Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: sha(n)}, Cause: release.Cause{Kind: cause}}
	if err := l.d.Submit(l.Context(), req, files); err != nil {
		l.Fatal(err)
	}
	time.Sleep(pass)
	synctest.Wait()
}

func sha(n string) string { return n + strings.Repeat("0", 39) }

func (l *lane) counts(builds, ended int) {
	l.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.builds != builds || l.ended != ended {
		l.Errorf("%d builds were begun and %d given up; want %d and %d", l.builds, l.ended, builds, ended)
	}
}

func (l *lane) serves(version string) {
	l.Helper()
	for _, name := range l.world.Hosts() {
		if got := l.world.Host(name).Serving("shop-web"); got != version {
			l.Errorf("%s serves %q; want %q", name, got, version)
		}
	}
}

func TestACommitIsBuiltOnceAndABrokenOneAgainOnlyIfAPersonWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, "build")
		l.push("1", "good", settled, release.CausePush)
		l.serves(sha("1"))
		l.push("1", "good", settled, release.CauseReconcile)
		l.counts(1, 0)

		l.push("2", "bad", settled, release.CausePush)
		r := l.world.Memory.Last()
		if f := r.Failure; r.Status != release.Failed || f == nil || f.Class != release.Verdict || f.Step != build.Step || strings.Join(f.Logs, "") != "the last line" {
			t.Fatalf("it is %s: %+v", r.Status, f)
		}
		for range 3 {
			l.push("2", "bad", settled, release.CauseReconcile)
		}
		l.counts(2, 0)
		l.serves(sha("1"))
		l.push("2", "bad", settled, release.CauseManual)
		l.counts(3, 0)
	})
}

func TestANewerCommitEndsABuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, "build")
		l.push("1", "slow", time.Minute, release.CausePush)
		l.counts(1, 0)
		l.push("2", "good", settled, release.CausePush)
		l.counts(2, 1)
		l.serves(sha("2"))
		for _, r := range l.world.Memory.Releases() {
			if r.Revision.SHA == sha("1") && r.Status != release.Superseded {
				t.Errorf("the first is %s: %s", r.Status, r.Reason)
			}
		}
	})
}

func TestABuildThatNeverEndsIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, "build")
		l.push("1", "slow", build.Longest+time.Minute, release.CausePush)
		l.counts(1, 1)
		if r := l.world.Memory.Last(); r.Status != release.Failed || !strings.Contains(r.Failure.Message, "longer than 1h") {
			t.Errorf("it is %s: %+v", r.Status, r.Failure)
		}
	})
}

func TestABuilderThatIsAwayIsWaitedForAndNothingIsQuarantined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, "build")
		l.mu.Lock()
		l.away = true
		l.mu.Unlock()
		l.push("1", "good", settled, release.CausePush)
		if r := l.world.Memory.Last(); r.Status != release.Waiting || !strings.Contains(r.Reason, "the builder is away") {
			t.Errorf("it is %s: %s", r.Status, r.Reason)
		}
		l.mu.Lock()
		l.away = false
		l.mu.Unlock()
		time.Sleep(settled)
		synctest.Wait()
		l.serves(sha("1"))
	})
}

func TestWithoutTheOperatorsWordNothingIsBuiltAndTheLineToWriteIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begin(t)
		l.push("1", "good", settled, release.CausePush)
		l.counts(0, 0)
		if r := l.world.Memory.Last(); r.Status != release.Waiting || !strings.Contains(r.Reason, "`allow: [build]` in fairlead.yml") {
			t.Errorf("it is %s: %s", r.Status, r.Reason)
		}
	})
}

func TestWhatComesBeforeABuildRunsOnceAndStopsItWhereItFails(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	synctest.Test(t, func(t *testing.T) {
		l := begin(t, "build", "commands", "hooks")
		hook := func(code int) string {
			return fmt.Sprintf("hooks: { pre-build: [\"sh -c 'echo $KAMAL_VERSION $KAMAL_COMMAND $KAMAL_LOCK $KAMAL_HOSTS >> %s; exit %d'\"] }\n", ran, code)
		}
		l.more = hook(0)
		l.push("1", "good", settled, release.CausePush)
		l.serves(sha("1"))
		l.counts(1, 0)
		l.more = hook(3)
		for _, cause := range []release.CauseKind{release.CausePush, release.CauseReconcile, release.CauseReconcile} {
			l.push("2", "good", settled, cause)
		}
		r := l.world.Memory.Last()
		if f := r.Failure; r.Status != release.Failed || f == nil || f.Class != release.Verdict || f.Step != build.Step || !strings.HasPrefix(f.Message, "hook pre-build ended with exit status 3 (sh -c 'echo") {
			t.Fatalf("it is %s: %+v", r.Status, f)
		}
		l.counts(1, 0)
		l.serves(sha("1"))
		got, err := os.ReadFile(ran)
		if want := sha("1") + " deploy false h1,h2\n" + sha("2") + " deploy false h1,h2\n"; err != nil || string(got) != want {
			t.Errorf("it ran as %q (%v), want %q", got, err, want)
		}
	})
}
