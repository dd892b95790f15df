package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
)

// makeNetwork takes a free /24 out of 10.64.0.0/10. It guesses: the engine
// refuses one that overlaps a network of its own, so two fleets that guess the
// same at the same moment cannot both get it.
func (f *Fleet) makeNetwork(ctx context.Context) error {
	used, err := usedPrefixes()
	if err != nil {
		return err
	}
	for range 50 {
		guess := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(64 + rand.IntN(64)), byte(rand.IntN(256)), 0}), 24)
		if overlapsAny(guess, used) {
			continue
		}
		args := append([]string{"network", "create", "--subnet", guess.String(),
			"-o", "com.docker.network.bridge.name=fl-" + f.Run,
			"-o", "com.docker.network.bridge.enable_ip_masquerade=false"}, f.labels()...)
		_, err = docker(ctx, append(args, f.name())...)
		if err == nil {
			f.Subnet = guess
			return nil
		}
		if !strings.Contains(err.Error(), "overlap") && !strings.Contains(err.Error(), "conflicts with network") {
			return fmt.Errorf("make network: %w", err)
		}
	}
	return fmt.Errorf("make network: found no free /24 in 10.64.0.0/10: %w", err)
}

// usedPrefixes are the networks that this machine has an address in, such as a
// company's VPN: the engine does not look at those.
func usedPrefixes() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var used []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			used = append(used, p.Masked())
		}
	}
	return used, nil
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}
