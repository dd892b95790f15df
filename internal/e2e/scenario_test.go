package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// patience bounds each wait. It is long because the machine may be busy; on a
// quiet one nothing comes near it.
const patience = 2 * time.Minute

// scenario is one service with a repository, a daemon and an inbox of its own.
type scenario struct {
	*testing.T
	service string
	dir     string
	hosts   []*fleet.Host
	remote  *fleet.Repo
	repo    *actor.Repository
	inbox   *actor.Inbox
	daemon  *actor.Daemon

	settings yml // of the repository, in fairlead.yml
	operator yml // of fairlead.yml's root

	typed *[]string // commands, where somebody wants to know
}

// yml is a mapping of YAML: each value is written as it is.
type yml map[string]string

func (y yml) indented(by string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(y)) {
		fmt.Fprintf(&b, "%s%s: %s\n", by, key, y[key])
	}
	return b.String()
}

func (y yml) String() string { return y.indented("") }

// with returns the mapping with one more, or another, value.
func (y yml) with(key, value string) yml {
	y = maps.Clone(y)
	y[key] = value
	return y
}

// begin prepares a scenario; nothing runs yet.
func begin(t *testing.T, service string) *scenario {
	t.Helper()
	s := &scenario{T: t, service: service, hosts: slices.Clone(shared.hosts), daemon: &actor.Daemon{Program: shared.program}}
	s.dir = filepath.Join(shared.dir, service)
	s.do(os.Mkdir(s.dir, 0o700))
	var err error
	s.remote, err = shared.fleet.NewRepo(t.Context(), service)
	s.do(err)
	s.repo, err = actor.NewRepository(s.remote.HTTP)
	s.do(err)
	key := actor.NewSecret()
	s.inbox, err = actor.OpenInbox(key)
	s.do(err)
	s.write("hook-secret", key)
	s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\n")
	s.settings = yml{"url": s.remote.HTTP, "branch": "main", "poll": "1s", "secrets": "{ file: " + s.path("secrets") + " }"}
	s.operator = yml{
		"ssh":        "{ key: " + shared.fleet.Key + ", known_hosts: " + shared.fleet.KnownHosts + ", user: root }",
		"registries": `{ "` + shared.fleet.Registry + `": { insecure: true } }`,
		"notify":     `[{ webhook: { url: "` + s.inbox.URL + `", secret: { file: ` + s.path("hook-secret") + ` } }, on: [every, alerts] }]`,
		"data_dir":   s.path("data"), "socket": s.path("sock"), "listen": "none", "reconcile": "5s",
	}
	s.daemon.Conf, s.daemon.Log = s.path("fairlead.yml"), s.path("log")
	t.Cleanup(s.end)
	return s
}

// end stops the daemon and leaves nothing of the service on the hosts.
func (s *scenario) end() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("cleaning up took too long"))
	defer cancel()
	if err := errors.Join(s.daemon.Stop(), s.inbox.Err(), s.inbox.Close()); err != nil {
		s.Error(err)
	}
	known := s.known()
	shared.keep(s.service, known)
	s.tidy(known)
	if s.Failed() {
		s.Log("the end of the daemon's log:\n" + s.daemon.LastLines())
	}
	for _, h := range s.hosts {
		out, err := h.Docker(ctx, "ps", "-aq", "--filter", "label=service="+s.service)
		if ids := strings.Fields(out); err == nil && len(ids) > 0 {
			_, err = h.Docker(ctx, append([]string{"rm", "-f"}, ids...)...)
		}
		if err != nil {
			s.Error(err)
		}
	}
}

// note keeps a command that somebody types.
func (s *scenario) note(args []string) {
	if s.typed != nil {
		*s.typed = append(*s.typed, strings.Join(args, " "))
	}
}

// in is the scenario in a subtest.
func (s *scenario) in(t *testing.T) *scenario {
	inner := *s
	inner.T = t
	return &inner
}

// do ends the test on an error.
func (s *scenario) do(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scenario) path(name string) string { return filepath.Join(s.dir, name) }

func (s *scenario) write(name, content string) {
	s.Helper()
	s.do(os.WriteFile(s.path(name), []byte(content), 0o600))
}

// configure writes fairlead.yml.
func (s *scenario) configure() {
	s.Helper()
	s.write("fairlead.yml", "repositories:\n  "+s.service+":\n"+s.settings.indented("    ")+s.operator.String())
}

// start writes fairlead.yml and starts the daemon.
func (s *scenario) start() {
	s.Helper()
	s.configure()
	s.do(s.daemon.Start())
}

// image pushes an image of the test application, as VERSION of the service.
func (s *scenario) image(version string, knobs map[string]string) {
	s.Helper()
	_, err := shared.fleet.Push(s.Context(), shared.app.Image(version, knobs), s.service+":"+version)
	s.do(err)
}

// file is a deploy.yml for a version of the service on all its hosts.
func (s *scenario) file(version string) yml {
	var addresses []string
	for _, h := range s.hosts {
		addresses = append(addresses, h.Addr)
	}
	return yml{
		"service":        s.service,
		"image":          s.service + ":" + version,
		"registry":       "{ server: " + shared.fleet.Registry + ", username: " + registryUser + ", password: [REGISTRY_PASSWORD] }",
		"servers":        "{ web: [" + strings.Join(addresses, ", ") + "] }",
		"proxy":          "{ host: " + s.host() + ", app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 } }",
		"deploy_timeout": "20",
		"drain_timeout":  "10",
		"x-fairlead":     "{ window: 3s }",
	}
}

// host is the name under which the service is asked for.
func (s *scenario) host() string { return s.service + ".example.com" }

// push commits a deploy.yml and pushes it.
func (s *scenario) push(file yml) (sha string) {
	s.Helper()
	return s.pushFiles(map[string]string{"config/deploy.yml": file.String()})
}

func (s *scenario) pushFiles(files map[string]string) (sha string) {
	s.Helper()
	sha, err := s.repo.Push(s.Context(), "Change "+s.service, files)
	s.do(err)
	return sha
}

// told waits until the webhook tells that a commit has one of the statuses.
func (s *scenario) told(sha string, any ...release.Status) release.Event {
	s.Helper()
	return s.toldThat(fmt.Sprintf("%.7s is %v", sha, any), func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Revision.SHA == sha && slices.Contains(any, ev.Release.Status)
	})
}

// ends waits for the end of a commit's release, which must be as wanted.
func (s *scenario) ends(sha string, want release.Status) release.Event {
	s.Helper()
	ev := s.told(sha, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman, release.Unchanged, release.Superseded)
	if ev.Release.Status != want {
		s.Fatalf("%.7s is %s, want %s: %s", sha, ev.Release.Status, want, ev.Message)
	}
	return ev
}

// toldThat waits for an event. The test ends when the daemon does, or when
// patience does.
func (s *scenario) toldThat(what string, wanted func(release.Event) bool) release.Event {
	s.Helper()
	ctx, cancel := context.WithTimeoutCause(s.Context(), patience, fmt.Errorf("within %s", patience))
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if s.daemon.Running() {
		gone := s.daemon.Ended()
		go func() {
			select {
			case <-gone:
				end(errors.New("fairlead has ended"))
			case <-ctx.Done():
			}
		}()
	}
	ev, err := s.inbox.AwaitEvent(ctx, wanted)
	if err != nil {
		var said []string
		for _, ev := range s.inbox.Events() {
			said = append(said, shown(ev))
		}
		s.Fatalf("no message that %s (%v); there were:\n%s", what, err, strings.Join(said, "\n"))
	}
	return ev
}

// shown is an event on one line.
func shown(ev release.Event) string {
	if ev.Release == nil {
		return fmt.Sprintf("%s %s: %s", ev.Kind, ev.Key, ev.Message)
	}
	return fmt.Sprintf("%s %s %s: %s", ev.Kind, ev.Release.Revision.Short(), ev.Release.Status, ev.Message)
}

// until waits for a condition of the world that nobody tells of.
func (s *scenario) until(what string, holds func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.Fatalf("%s: not within %s", what, patience)
		}
	}
}
