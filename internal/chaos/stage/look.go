package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// Container is what docker inspect says of one.
type Container struct {
	ID    string `json:"Id"`
	Name  string
	Image string // id
	State struct {
		Status    string
		Running   bool
		StartedAt time.Time
	}
}

// Containers are all of the service on a host.
func (s *Service) Containers(h *fleet.Host) []Container {
	s.Helper()
	list, err := s.containers(h)
	s.Do(err)
	return list
}

func (s *Service) containers(h *fleet.Host) ([]Container, error) {
	out, err := h.Docker(s.Context(), "ps", "-aq", "--no-trunc", "--filter", "label=service="+s.Lane)
	ids := strings.Fields(out)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if out, err = h.Docker(s.Context(), append([]string{"inspect"}, ids...)...); err != nil {
		return nil, err
	}
	var list []Container
	err = json.Unmarshal([]byte(out), &list)
	for i := range list {
		list[i].Name = strings.TrimPrefix(list[i].Name, "/")
	}
	return list, err
}

// Running are the names of those that run on a host, sorted.
func (s *Service) Running(h *fleet.Host) []string {
	s.Helper()
	var names []string
	for _, c := range s.Containers(h) {
		if c.State.Running {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Picture is all that runs on all hosts, with when it was started: equal
// pictures mean that nothing was touched.
func (s *Service) Picture() string {
	s.Helper()
	var b strings.Builder
	for _, h := range s.Hosts {
		for _, c := range s.Containers(h) {
			fmt.Fprintln(&b, h.Name, c.ID, c.Name, c.State.Status, c.State.StartedAt)
		}
	}
	return b.String()
}

// Web is the name of the web container of a version.
func (s *Service) Web(version string) string { return s.Lane + "-web-" + version }

// Site is the service on a host.
func (s *Service) Site(h *fleet.Host) actor.Site {
	return actor.Site{Address: "http://" + h.Addr, Host: s.Host()}
}

// Answer is what a host's proxy answers about the version.
func (s *Service) Answer(h *fleet.Host) (string, error) {
	return actor.Get(s.Context(), actor.NewClient(), s.Site(h), "/version")
}

// Serves fails the test unless right now every host answers a version, runs
// its container and no other, and has no lock of the service.
func (s *Service) Serves(version string) {
	s.Helper()
	for _, h := range s.Hosts {
		if got, err := s.Answer(h); err != nil || got != version {
			s.Errorf("%s answers %q (%v), want %q", h.Name, got, err, version)
		}
		if got := s.Running(h); !slices.Equal(got, []string{s.Web(version)}) {
			s.Errorf("on %s run %v, want %s alone", h.Name, got, s.Web(version))
		}
	}
	s.Unlocked()
}

// Unlocked fails the test unless no host has a lock of the service. A lock goes
// just after the end was told.
func (s *Service) Unlocked() {
	s.Helper()
	s.Until("no lock is left", func() bool { return len(s.Locks()) == 0 })
}

// Locks are the folders of the service's locks, those set aside included.
func (s *Service) Locks() []string {
	s.Helper()
	var found []string
	for _, h := range s.Hosts {
		out, err := h.Exec(s.Context(), "find", "/root/.kamal", "-maxdepth", "1", "-name", "*lock-"+s.Lane+"*")
		if err != nil && !strings.Contains(err.Error(), "No such file") {
			s.Fatal(err)
		}
		for name := range strings.Lines(out) {
			found = append(found, h.Name+":"+strings.TrimSpace(name))
		}
	}
	return found
}

// History is what the program's command line tells of the service.
func (s *Service) History() []release.Release {
	s.Helper()
	out, err := s.Command("history", s.Lane, "--json")
	s.Do(err)
	var list []release.Release
	s.Do(json.Unmarshal([]byte(out), &list))
	return list
}

// Command runs the program's command line against the daemon.
func (s *Service) Command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(s.Context(), Patience, fmt.Errorf("no end within %s", Patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Stage.Program, append(args, "--config", s.Daemon.Conf)...)
	cmd.WaitDelay = time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("fairlead %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out), nil
}
