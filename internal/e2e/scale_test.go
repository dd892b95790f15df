package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// shares tells by how many of its targets a host's proxy serves the service.
func (s *scenario) shares(h *fleet.Host) int {
	s.Helper()
	out, err := h.Docker(s.Context(), "exec", "kamal-proxy", "kamal-proxy", "list", "--json")
	s.do(err)
	var services []struct {
		Name    string
		Traffic []struct{ Requests int }
	}
	s.do(json.Unmarshal([]byte(out), &services))
	n := 0
	for _, service := range services {
		if service.Name == strings.TrimSuffix(s.web(""), "-") {
			for _, t := range service.Traffic {
				if t.Requests > 0 {
					n++
				}
			}
		}
	}
	return n
}

// balanced waits until every host sends requests to so many containers.
func (s *scenario) balanced(n int) {
	s.Helper()
	for _, h := range s.hosts {
		s.until("requests to all containers on "+h.Name, func() bool { return s.shares(h) == n })
	}
}

func TestARoleScalesUnderTrafficWithoutOneFailedRequest(t *testing.T) {
	t.Parallel()
	s := begin(t, "scales")
	s.image("v1", nil)
	s.image("v2", nil)
	file := func(version, scale string) yml {
		return s.file(version).with("x-fairlead", "{ window: 1s, roles: { web: { scale: "+scale+" } } }")
	}
	of := func(version string, numbers ...string) (names []string) {
		for _, n := range numbers {
			names = append(names, s.web(version)+n)
		}
		return names
	}
	s.start()
	s.ends(s.push(file("v1", "1")), release.Succeeded)
	leave := s.visitors()
	s.ends(s.push(file("v1", "3")), release.Succeeded)
	s.runs(of("v1", "", "-2", "-3")...)
	s.balanced(3)
	s.ends(s.push(file("v2", "2")), release.Succeeded)
	s.runs(of("v2", "", "-2")...)
	s.balanced(2)
	s.says(0, "is live on 2 hosts", "app", "scale", "web=1", "--service", s.service, "--follow")
	s.runs(s.web("v2"))
	s.says(0, "held", "status", s.service)
	s.says(0, "is live on 2 hosts", "rollback", s.service, "--follow")
	s.runs(of("v2", "", "-2")...)
	leave()
	s.answers("v2")
	for _, h := range s.hosts {
		var logs []string
		for _, c := range s.containers(h) {
			logs = append(logs, c.Config.Labels["fairlead.replica"])
		}
		if !slices.Contains(logs, "3") {
			t.Errorf("the third container of v1 is not kept on %s, for a rollback: %v", h.Name, logs)
		}
	}
}
