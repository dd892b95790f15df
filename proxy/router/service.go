package router

import (
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

// service is one service at one moment. It is never changed: a command puts another one into the
// next table and closes replaced of this one.
type service struct {
	name     string
	options  control.Options
	active   *pool
	rollout  *pool // nil: none
	split    *control.Split
	mode     mode
	replaced chan struct{}

	certificate *tls.Certificate // as given; nil: none was
	pages       pages
}

// mode is what happens to the service's requests.
type mode struct {
	state    control.State
	message  string
	maxPause time.Duration
}

// newService reads the files that options name. It returns a service also with an error: one that
// lacks what could not be read.
func newService(name string, options control.Options) (*service, error) {
	s := &service{name: name, options: options, mode: mode{state: control.Running}, replaced: make(chan struct{})}
	var errs []error
	if t := options.TLS; t.Enabled && t.CertificatePath != "" {
		pair, err := tls.LoadX509KeyPair(t.CertificatePath, t.PrivateKeyPath)
		if err != nil {
			errs = append(errs, fmt.Errorf("read certificate: %w", err))
		} else {
			s.certificate = &pair
		}
	}
	if options.ErrorPages != "" {
		own, err := readPages(options.ErrorPages)
		if err != nil {
			errs = append(errs, err)
		}
		s.pages = own
	}
	return s, errors.Join(errs...)
}

// next returns a copy that can take the place of s.
func (s *service) next() *service {
	n := *s
	n.replaced = make(chan struct{})
	return &n
}

// places yields every host and path prefix of the service.
func (s *service) places() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		hosts, prefixes := s.options.Hosts, s.options.PathPrefixes
		if len(hosts) == 0 {
			hosts = []string{anyHost}
		}
		if len(prefixes) == 0 {
			prefixes = []string{"/"}
		}
		for _, host := range hosts {
			for _, prefix := range prefixes {
				if !yield(host, prefix) {
					return
				}
			}
		}
	}
}

// trial tells that the rollout is this proxy's own split, which a deploy ends.
func (s *service) trial() bool { return s.rollout != nil && s.split != nil && s.split.Sticky }

func (s *service) pools() []*pool {
	if s.rollout == nil {
		return []*pool{s.active}
	}
	return []*pool{s.active, s.rollout}
}

func (s *service) describe() control.Service {
	d := control.Service{
		Name: s.name, State: s.mode.state, Message: s.mode.message,
		Targets: s.active.targets, Split: s.split, Options: s.options,
	}
	if s.rollout != nil {
		d.RolloutTargets = s.rollout.targets
	}
	for _, p := range s.pools() {
		d.InFlight += p.flights.count()
		d.Traffic = append(d.Traffic, p.traffic()...)
	}
	return d
}

func (s *service) save() state.Service {
	saved := state.Service{
		Name: s.name, Targets: s.active.targets, Options: s.options, Split: s.split,
		State: s.mode.state, Message: s.mode.message, MaxPause: control.Duration{Duration: s.mode.maxPause},
	}
	if s.rollout != nil {
		saved.RolloutTargets = s.rollout.targets
	}
	return saved
}

func restoreService(saved state.Service) (*service, error) {
	s, err := newService(saved.Name, saved.Options)
	s.active = newPool(saved.Targets, saved.Options.TargetTimeout.Duration)
	if len(saved.RolloutTargets) > 0 {
		s.rollout = newPool(saved.RolloutTargets, saved.Options.TargetTimeout.Duration)
		s.split = saved.Split
	}
	s.mode = mode{state: saved.State, message: saved.Message, maxPause: saved.MaxPause.Duration}
	if !slices.Contains([]control.State{control.Running, control.Paused, control.Stopped}, s.mode.state) {
		s.mode.state = control.Running
	}
	return s, err
}
