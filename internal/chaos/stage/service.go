package stage

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

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// YAML is a mapping: each value is written as it is.
type YAML map[string]string

func (y YAML) indented(by string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(y)) {
		fmt.Fprintf(&b, "%s%s: %s\n", by, key, y[key])
	}
	return b.String()
}

func (y YAML) String() string { return y.indented("") }

// With returns the mapping with one more, or another, value.
func (y YAML) With(key, value string) YAML {
	y = maps.Clone(y)
	y[key] = value
	return y
}

// Service is one application with a repository, a daemon and an inbox of its
// own, in a test: whatever does not work ends the test.
type Service struct {
	testing.TB
	// Stage is what it stands on.
	Stage *Stage
	// Lane is the service's name, Dir holds its files on this machine.
	Lane, Dir string
	// Hosts are where it is deployed.
	Hosts []*fleet.Host
	// Remote is its repository, Repo a checkout of it.
	Remote *fleet.Repo
	Repo   *actor.Repository
	// Inbox hears the daemon's webhook, which is signed with Key.
	Inbox *actor.Inbox
	Key   string
	// Daemon is the program.
	Daemon *actor.Daemon
	// Settings are those of the repository in fairlead.yml, Operator those of
	// its root. Start writes them.
	Settings, Operator YAML
	// Secrets are what its daemon knows and nobody may find: CANARY, which File's
	// containers get, and the messages' key.
	Secrets map[string]string
}

// New prepares a service; nothing runs yet. At the end of the test its daemon
// is stopped and nothing of it is left on the hosts.
func New(t testing.TB, stage *Stage, prefix string, hosts []*fleet.Host) *Service {
	t.Helper()
	s := &Service{TB: t, Stage: stage, Lane: stage.name(prefix), Hosts: hosts, Key: actor.NewSecret()}
	s.Dir = filepath.Join(stage.Dir, s.Lane)
	s.Do(os.Mkdir(s.Dir, 0o700))
	var err error
	s.Remote, err = stage.Fleet.NewRepo(t.Context(), s.Lane)
	s.Do(err)
	s.Repo, err = actor.NewRepository(s.Remote.File)
	s.Do(err)
	s.Inbox, err = actor.OpenInbox(s.Key)
	s.Do(err)
	s.Write("hook-secret", s.Key)
	s.Secrets = map[string]string{"CANARY": actor.Canary(), "the messages' key": s.Key}
	s.Write("secrets", "PLAIN=nothing to hide\n")
	s.Do(os.Mkdir(s.Path("vault"), 0o700))
	s.Write("vault/CANARY", s.Secrets["CANARY"])
	f := stage.Fleet
	s.Settings = YAML{"url": s.Remote.HTTP, "branch": "main", "poll": "1s", "secrets": "{ file: " + s.Path("secrets") + ", dir: " + s.Path("vault") + " }"}
	s.Operator = YAML{
		"ssh":        "{ key: " + f.Key + ", known_hosts: " + f.KnownHosts + ", user: root }",
		"registries": `{ "` + f.Registry + `": { insecure: true } }`,
		"notify":     `[{ webhook: { url: "` + s.Inbox.URL + `", secret: { file: ` + s.Path("hook-secret") + ` } }, on: [every, alerts] }]`,
		"data_dir":   s.Path("data"), "socket": s.Path("sock"), "listen": "none", "reconcile": "3s",
	}
	s.Daemon = &actor.Daemon{Program: stage.Program, Conf: s.Path("fairlead.yml"), Log: s.Path("log")}
	t.Cleanup(s.end)
	return s
}

func (s *Service) end() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Patience, errors.New("cleaning up took too long"))
	defer cancel()
	if err := errors.Join(s.Daemon.Stop(), s.Inbox.Err(), s.Inbox.Close()); err != nil {
		s.Error(err)
	}
	s.search(ctx)
	if s.Failed() {
		s.Log("what was told:\n" + s.said() + "\nthe end of the daemon's log:\n" + s.Daemon.LastLines())
	}
	for _, h := range s.Hosts {
		out, err := h.Docker(ctx, "ps", "-aq", "--filter", "label=service="+s.Lane)
		if ids := strings.Fields(out); err == nil && len(ids) > 0 {
			_, err = h.Docker(ctx, append([]string{"rm", "-f"}, ids...)...)
		}
		if err != nil {
			s.Error(err)
		}
	}
}

// search fails the test where somebody could find a secret.
func (s *Service) search(ctx context.Context) {
	found, err := actor.Left(s.Operator["data_dir"], s.Daemon.Log, s.Inbox, s.Secrets)
	if err != nil {
		s.Error(err)
	}
	for _, h := range s.Hosts {
		kept, err := actor.Kept(ctx, h.Name, h, s.Secrets)
		if err != nil {
			s.Error(err)
		}
		found = append(found, kept...)
	}
	for _, leak := range found {
		s.Error(leak)
	}
}

// Do ends the test on an error.
func (s *Service) Do(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// Path is that of a file of the service on this machine.
func (s *Service) Path(name string) string { return filepath.Join(s.Dir, name) }

// Write writes such a file.
func (s *Service) Write(name, content string) {
	s.Helper()
	s.Do(os.WriteFile(s.Path(name), []byte(content), 0o600))
}

// Configure writes fairlead.yml.
func (s *Service) Configure() {
	s.Helper()
	s.Write("fairlead.yml", "repositories:\n  "+s.Lane+":\n"+s.Settings.indented("    ")+s.Operator.String())
}

// Start writes fairlead.yml and starts the daemon.
func (s *Service) Start() {
	s.Helper()
	s.Configure()
	s.Do(s.Daemon.Start())
}

// Image pushes an image of the test application, as VERSION of the service.
func (s *Service) Image(version string, knobs map[string]string) {
	s.Helper()
	_, err := s.Stage.Fleet.Push(s.Context(), s.Stage.App.Image(version, knobs), s.Lane+":"+version)
	s.Do(err)
}

// File is a deploy.yml for a version of the service on all its hosts.
func (s *Service) File(version string) YAML {
	var addresses []string
	for _, h := range s.Hosts {
		addresses = append(addresses, h.Addr)
	}
	return YAML{
		"service":        s.Lane,
		"image":          s.Lane + ":" + version,
		"registry":       "{ server: " + s.Stage.Fleet.Registry + " }",
		"servers":        "{ web: [" + strings.Join(addresses, ", ") + "] }",
		"env":            "{ secret: [CANARY] }",
		"proxy":          "{ host: " + s.Host() + ", app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 } }",
		"deploy_timeout": "20",
		"drain_timeout":  "10",
		"stop_timeout":   "5",
		"x-fairlead":     "{ window: 2s }",
	}
}

// Host is the name under which the service is asked for.
func (s *Service) Host() string { return s.Lane + ".example.com" }

// Push commits a deploy.yml and pushes it.
func (s *Service) Push(file YAML) (sha string) {
	s.Helper()
	return s.PushFiles(map[string]string{"config/deploy.yml": file.String()})
}

// PushFiles commits these files and pushes them.
func (s *Service) PushFiles(files map[string]string) (sha string) {
	s.Helper()
	sha, err := s.Repo.Push(s.Context(), "Change "+s.Lane, files)
	s.Do(err)
	return sha
}
