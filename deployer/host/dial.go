package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// ErrNoRoute: this process has no way to the containers' network, such as one
// that runs in a container of another network.
var ErrNoRoute = errors.New("no route to the container from here")

const (
	dialTimeout = 10 * time.Second
	// strangeTimeout is for addresses on no network of this process: those that
	// can be reached at all answer at once, as they are on this machine.
	strangeTimeout = time.Second
)

// Dial connects from the host to an address that the host reaches, such as a
// container's on its bridge network: network "tcp" or "unix". Close the
// connection to end a read; where SSH is between, it has no deadlines. For
// this machine ErrNoRoute says that there is no way, not that nobody listens.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if h.client != nil {
		return h.client.Dial(ctx, network, address)
	}
	if network == "unix" || near(address) {
		return h.dialHere(ctx, network, address)
	}
	return h.dialStrange(ctx, network, address)
}

func (h *Host) dialHere(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", h.name, err)
	}
	return conn, nil
}

// dialStrange dials an address that a router would have to know. That it does
// not is found once: each try takes time that a caller has better use for.
func (h *Host) dialStrange(ctx context.Context, network, address string) (net.Conn, error) {
	if h.noRoute.Load() {
		return nil, fmt.Errorf("dial from %s: %w", h.name, ErrNoRoute)
	}
	limit := strangeTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2) // leave some for another door
	}
	conn, err := (&net.Dialer{Timeout: max(limit, time.Millisecond)}).DialContext(ctx, network, address)
	if err == nil {
		return conn, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("dial from %s: %w", h.name, context.Cause(ctx))
	}
	if noRoute(err) {
		h.noRoute.Store(true)
		err = fmt.Errorf("%w: %w", ErrNoRoute, err)
	}
	return nil, fmt.Errorf("dial from %s: %w", h.name, err)
}

// noRoute tells whether a failure to reach a strange address may be the fault
// of what lies between. Firewalls answer for it with a refusal too.
func noRoute(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) ||
		errors.Is(err, syscall.ECONNREFUSED)
}

// near tells whether an address is on a network that this process is on. What
// is no IP address counts as near.
func near(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip := net.ParseIP(name)
	networks, err := net.InterfaceAddrs()
	if ip == nil || err != nil {
		return true
	}
	for _, n := range networks {
		if prefix, ok := n.(*net.IPNet); ok && prefix.Contains(ip) {
			return true
		}
	}
	return false
}
