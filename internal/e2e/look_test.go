package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// container is what docker inspect says of one.
type container struct {
	ID      string `json:"Id"`
	Name    string
	Image   string // id
	Created time.Time
	Config  struct {
		Image    string
		Hostname string
		Env, Cmd []string
		Labels   map[string]string
	}
	HostConfig struct {
		NetworkMode   string
		RestartPolicy struct{ Name string }
		LogConfig     struct{ Config map[string]string }
	}
	State struct {
		Status                string
		Running               bool
		ExitCode              int
		StartedAt, FinishedAt time.Time
	}
	NetworkSettings struct {
		Networks map[string]struct{ IPAddress string }
	}
}

// env is the value of a variable, and whether the container has it.
func (c container) env(name string) (string, bool) {
	for _, pair := range c.Config.Env {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// containers are all of the service on a host, newest first.
func (s *scenario) containers(h *fleet.Host) []container {
	s.Helper()
	out, err := h.Docker(s.Context(), "ps", "-aq", "--no-trunc", "--filter", "label=service="+s.service)
	s.do(err)
	ids := strings.Fields(out)
	if len(ids) == 0 {
		return nil
	}
	out, err = h.Docker(s.Context(), append([]string{"inspect"}, ids...)...)
	s.do(err)
	var list []container
	s.do(json.Unmarshal([]byte(out), &list))
	for i := range list {
		list[i].Name = strings.TrimPrefix(list[i].Name, "/")
	}
	slices.SortFunc(list, func(a, b container) int { return b.Created.Compare(a.Created) })
	return list
}

// running are those that run, by name, sorted.
func (s *scenario) running(h *fleet.Host) []string {
	s.Helper()
	var names []string
	for _, c := range s.containers(h) {
		if c.State.Running {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// runs fails the test unless exactly these containers run on every host.
func (s *scenario) runs(names ...string) {
	s.Helper()
	for _, h := range s.hosts {
		if got := s.running(h); !slices.Equal(got, names) {
			s.Errorf("on %s run %v, want %v", h.Name, got, names)
		}
	}
}

// one returns the container of a name.
func (s *scenario) one(h *fleet.Host, name string) container {
	s.Helper()
	for _, c := range s.containers(h) {
		if c.Name == name {
			return c
		}
	}
	s.Fatalf("no container %s on %s", name, h.Name)
	return container{}
}

// picture is all that is on all hosts, with when it was started: equal
// pictures mean that nothing was touched.
func (s *scenario) picture() string {
	s.Helper()
	return s.draw(func(container) bool { return true })
}

// portrait is the picture of what runs alone.
func (s *scenario) portrait() string {
	s.Helper()
	return s.draw(func(c container) bool { return c.State.Running })
}

func (s *scenario) draw(which func(container) bool) string {
	s.Helper()
	var b strings.Builder
	for _, h := range s.hosts {
		for _, c := range s.containers(h) {
			if which(c) {
				fmt.Fprintln(&b, h.Name, c.ID, c.Name, c.State.Status, c.State.StartedAt)
			}
		}
	}
	return b.String()
}

// web is the name of the web container of a version.
func (s *scenario) web(version string) string { return s.service + "-web-" + version }

// site is the service on a host.
func (s *scenario) site(h *fleet.Host) actor.Site {
	return actor.Site{Address: "http://" + h.Addr, Host: s.host()}
}

// ask asks a host's proxy for a page of the service.
func (s *scenario) ask(h *fleet.Host, path string) string {
	s.Helper()
	got, err := actor.Get(s.Context(), actor.NewClient(), s.site(h), path)
	if err != nil {
		s.Errorf("ask %s: %v", h.Name, err)
	}
	return got
}

// answers fails the test unless every host answers a version right now.
func (s *scenario) answers(version string) {
	s.Helper()
	for _, h := range s.hosts {
		if got := s.ask(h, "/version"); got != version {
			s.Errorf("%s answers %q, want %q", h.Name, got, version)
		}
	}
}

// visitors ask all hosts from now on; leave tells them to stop and fails the
// test when one request went wrong.
func (s *scenario) visitors() (leave func()) {
	var sites []actor.Site
	for _, h := range s.hosts {
		sites = append(sites, s.site(h))
	}
	tr := actor.StartTraffic(sites)
	s.Cleanup(tr.Stop)
	return func() {
		s.Helper()
		tr.Stop()
		if seen := tr.Count(); seen.Failed > 0 || seen.Sent == 0 {
			s.Errorf("%s, the first one: %v", seen, seen.First)
		} else {
			s.Log(seen)
		}
	}
}

// types runs the command line against the scenario's daemon and returns what
// it prints and its status.
func (s *scenario) types(args ...string) (string, int) {
	s.Helper()
	s.note(args)
	ctx, cancel := context.WithTimeoutCause(s.Context(), patience, fmt.Errorf("no end within %s", patience))
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.program, append(args, "--config", s.daemon.Conf)...)
	cmd.Env = append(os.Environ(), "SUDO_USER=ana")
	return s.outcome(cmd)
}

// outcome runs a program to its end.
func (s *scenario) outcome(cmd *exec.Cmd) (string, int) {
	s.Helper()
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	}
	s.do(err)
	return string(out), 0
}

// says fails the test unless a command ends with a status and prints the words.
func (s *scenario) says(status int, words string, args ...string) {
	s.Helper()
	if out, got := s.types(args...); got != status || !strings.Contains(out, words) {
		s.Errorf("fairlead %s ends with %d, want %d and %q; it says\n%s", strings.Join(args, " "), got, status, words, out)
	} else {
		s.Log("fairlead", strings.Join(args, " "), "\n"+out)
	}
}
