package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	farAway   = 200 * time.Millisecond
	wireTimes = 3
)

// roundTrips counts how often a deploy waits for a host, one wait after the
// other, by making the wire longer: what a deploy takes longer at a round trip
// of 200 ms than at none, divided by 200 ms. Calls that overlap count once, as
// they do for a person who waits; bytes that are waited for without a call of
// ours (windows, handshakes) count too. The medians differ by whole round
// trips, so that the noise of a busy machine, some 10 ms, is far below one.
func roundTrips(ctx context.Context, b *bench, rep *report) (err error) {
	s, err := b.newService(ctx, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	w, err := stretch(s.hosts[0].SSHAddr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := s.through(w); err != nil {
		return err
	}
	var warm, cold [2][]time.Duration               // near, far
	if _, err := s.coldDeploy(ctx, w); err != nil { // boots the proxy
		return err
	}
	s.visited()
	connections, deploys := w.opened.Load(), 0
	for range wireTimes {
		for i, rtt := range []time.Duration{0, farAway} {
			w.delay(rtt)
			t, err := s.coldDeploy(ctx, w)
			if err != nil {
				return err
			}
			cold[i] = append(cold[i], t.done)
			if t, err = s.deploy(ctx); err != nil {
				return err
			}
			warm[i] = append(warm[i], t.done)
			deploys++
		}
	}
	rep.count("SSH connections of a daemon to a host, two deploys", float64(w.opened.Load()-connections)/float64(deploys), 1, "")
	rep.note("warm, at no distance", spread(warm[0]))
	rep.note(fmt.Sprintf("warm, at %s", farAway), spread(warm[1]))
	rep.note("cold, at no distance", spread(cold[0]))
	rep.note(fmt.Sprintf("cold, at %s", farAway), spread(cold[1]))
	rep.count("round trips of a deploy, warm", trips(warm), 20, "")
	rep.count("round trips of a deploy, cold", trips(cold), 30, "")
	s.unvisited(rep)
	return nil
}

// trips is what distance adds, in round trips to one decimal.
func trips(times [2][]time.Duration) float64 {
	return math.Round(10*float64(slices.Min(times[1])-slices.Min(times[0]))/float64(farAway)) / 10
}

// through makes the daemon reach the first host by a wire.
func (s *service) through(w *wire) error {
	h := s.hosts[0]
	known, err := os.ReadFile(s.b.fleet.KnownHosts)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(known)) {
		if rest, ok := strings.CutPrefix(line, h.Addr+" "); ok {
			line := fmt.Sprintf("[127.0.0.1]:%d %s", w.port(), rest)
			s.operator = fmt.Sprintf("hosts:\n  %q: { address: 127.0.0.1, port: %d }\n", h.Addr, w.port())
			return os.WriteFile(s.path("known_hosts"), []byte(line), 0o600)
		}
	}
	return fmt.Errorf("known_hosts has no key of %s", h.Addr)
}

// coldDeploy commits while no daemon runs and starts one. The time runs from
// its connection to the host by w, so that neither the start of the program
// nor Git is part of it.
func (s *service) coldDeploy(ctx context.Context, w *wire) (took, error) {
	if err := s.daemon.Stop(); err != nil {
		return took{}, err
	}
	sha, version, err := s.commit(ctx)
	if err != nil {
		return took{}, err
	}
	if err := s.start(); err != nil {
		return took{}, err
	}
	end, err := s.await(ctx, sha, version)
	return end.after(time.Unix(0, w.last.Load())), err
}
