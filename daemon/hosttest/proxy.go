package hosttest

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// proxy speaks the language of Fairlead's own proxy: it waits for a target to
// answer, and knows which service goes where.
func (s *Server) proxy() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/services", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		all := []control.Service{}
		for name, r := range s.routes {
			all = append(all, control.Service{Name: name, State: control.Running, Targets: r.Targets, Options: r.Options})
		}
		slices.SortFunc(all, func(a, b control.Service) int { return strings.Compare(a.Name, b.Name) })
		reply(w, http.StatusOK, map[string]any{"services": all})
	})
	mux.HandleFunc("POST /v1/deploy", func(w http.ResponseWriter, r *http.Request) {
		var request control.DeployRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || len(request.Targets) != 1 {
			reply(w, http.StatusBadRequest, control.Errorf(control.Invalid, "not a deploy of one target: %v", err))
			return
		}
		until := time.Now().Add(request.DeployTimeout.Duration)
		for !s.ready(request.Targets) {
			if time.Now().After(until) {
				reply(w, http.StatusFailedDependency, control.Errorf(control.Unhealthy, "target failed to become healthy within %s", request.DeployTimeout))
				return
			}
			if schedule.Pause(r.Context(), 10*time.Millisecond) != nil {
				return
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		changed := !slices.Equal(s.routes[request.Service].Targets, request.Targets)
		s.routes[request.Service] = request
		reply(w, http.StatusOK, control.DeployResult{Changed: changed})
	})
	return mux
}

// target returns the container that a proxy's only target names by its id's
// first digits; the caller holds the lock.
func (s *Server) target(targets []string) *box {
	if len(targets) != 1 {
		return nil
	}
	name, _, err := net.SplitHostPort(targets[0])
	if err != nil {
		return nil
	}
	for id, b := range s.containers {
		if strings.HasPrefix(id, name) {
			return b
		}
	}
	return nil
}

func (s *Server) ready(targets []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.booted(s.target(targets))
}

// answers tells whether an app answers at an address of the containers'
// network.
func (s *Server) answers(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.containers {
		if ip, _, err := net.SplitHostPort(address); err == nil && b.address.String() == ip {
			return s.booted(b)
		}
	}
	return false
}

func (s *Server) booted(b *box) bool {
	return b != nil && b.running() && time.Since(b.started) >= s.options.Boot
}
