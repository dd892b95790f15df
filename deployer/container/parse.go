package container

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// ParseSize reads a size as Docker does: a number, fractions allowed, and a
// unit of 1024 ("512m", "1.5g", "64MiB", "100kb"); a bare number is bytes.
// "-1" is unlimited where the option knows that.
func ParseSize(s string) (int64, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if text == "-1" {
		return -1, nil
	}
	digits := strings.TrimRight(text, "bkmgtpi ")
	unit := strings.TrimSpace(text[len(digits):])
	power := map[string]int{"": 0, "b": 0, "k": 1, "kb": 1, "kib": 1, "m": 2, "mb": 2, "mib": 2, "g": 3, "gb": 3, "gib": 3,
		"t": 4, "tb": 4, "tib": 4, "p": 5, "pb": 5, "pib": 5}
	p, ok := power[unit]
	n, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) || strings.ContainsAny(digits, "xe_") {
		return 0, fmt.Errorf("size %q: want a number with a unit such as 512m or 1.5g", s)
	}
	n *= math.Pow(1024, float64(p))
	if n >= math.MaxInt64 {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return int64(n), nil
}

// isVolumeName knows what Docker takes for the name of a volume.
func isVolumeName(s string) bool {
	for i, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !plain && (i == 0 || !strings.ContainsRune("_.-", r)) {
			return false
		}
	}
	return s != ""
}

// ParseVolume reads docker run's -v: "SOURCE:TARGET[:OPTIONS]" or "TARGET"
// for an anonymous volume. A source that is not the name of a volume is a
// folder; one that is not absolute is left as written, for the caller to
// resolve.
func ParseVolume(s string) (Mount, error) {
	parts := strings.Split(s, ":")
	m := Mount{Kind: Volume}
	switch len(parts) {
	case 1:
		m.Target = parts[0]
	case 2, 3:
		m.Source, m.Target = parts[0], parts[1]
	default:
		return Mount{}, fmt.Errorf("volume %q: want SOURCE:TARGET or SOURCE:TARGET:OPTIONS", s)
	}
	if !strings.HasPrefix(m.Target, "/") {
		return Mount{}, fmt.Errorf("volume %q: the path in the container must be absolute", s)
	}
	if len(parts) > 1 && m.Source == "" {
		return Mount{}, fmt.Errorf("volume %q: nothing before the colon", s)
	}
	if m.Source != "" && !isVolumeName(m.Source) {
		m.Kind = Bind
	}
	if len(parts) == 3 {
		var mode []string
		for o := range strings.SplitSeq(parts[2], ",") {
			switch o {
			case "ro", "readonly":
				m.ReadOnly = true
			case "rw", "":
			case "z", "Z", "nocopy", "copy", "shared", "rshared", "slave", "rslave", "private", "rprivate", "consistent", "cached", "delegated", "U":
				mode = append(mode, o)
			default:
				return Mount{}, fmt.Errorf("volume %q: unknown option %q", s, o)
			}
		}
		m.Mode = strings.Join(mode, ",")
	}
	return m, nil
}

// ParsePort reads docker run's -p: "[[IP:]HOST:]PORT[/PROTOCOL]", where HOST
// and PORT may be ranges of the same length ("8000-8002:80-82").
func ParsePort(s string) ([]Port, error) {
	wrong := func(why string) ([]Port, error) {
		return nil, fmt.Errorf("port %q: %s; want [[IP:]HOST:]PORT[/PROTOCOL]", s, why)
	}
	rest, protocol, _ := strings.Cut(s, "/")
	protocol = strings.ToLower(protocol)
	if !slices.Contains([]string{"", "tcp", "udp", "sctp"}, protocol) {
		return wrong("unknown protocol " + strconv.Quote(protocol))
	}
	var ip, host string
	inside := rest
	if i := strings.LastIndex(rest, ":"); i >= 0 {
		host, inside = rest[:i], rest[i+1:]
		if j := strings.LastIndex(host, ":"); j >= 0 {
			ip, host = strings.Trim(host[:j], "[]"), host[j+1:]
			if _, err := netip.ParseAddr(ip); err != nil {
				return wrong("no IP address before the host's port")
			}
		}
	}
	from, to, err := portRange(inside)
	if err != nil {
		return wrong(err.Error())
	}
	hostFrom, hostTo := 0, 0
	if host == "0" {
		host = "" // the engine picks one
	}
	if host != "" {
		if hostFrom, hostTo, err = portRange(host); err != nil {
			return wrong(err.Error())
		}
		if hostTo-hostFrom != to-from {
			return wrong("the ranges have different lengths")
		}
	}
	var ports []Port
	for i := 0; i <= to-from; i++ {
		p := Port{HostIP: ip, Port: uint16(from + i), Protocol: protocol}
		if host != "" {
			p.HostPort = uint16(hostFrom + i)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func portRange(s string) (from, to int, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || b < a {
		return 0, 0, fmt.Errorf("%q is no port", s)
	}
	return int(a), int(b), nil
}
