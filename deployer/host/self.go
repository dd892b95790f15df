package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// maxSelf bounds how many containers this process may take itself to be in.
const maxSelf = 8

// SelfIDs returns what the id of the container that this process runs in may
// be, or the beginning of it; none where it plainly runs in no container. Only
// an engine can confirm one, see Self.
func SelfIDs() []string {
	name, _ := os.Hostname()
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // elsewhere than on Linux there is none, and no container
	return selfIDs(name, mounts)
}

// selfIDs finds ids where engines leave them: in the paths of the files that
// they mount over /etc (proc_pid_mountinfo(5), field 4), and in the host name
// that they give unless told another.
func selfIDs(hostname string, mountinfo []byte) []string {
	var ids []string
	add := func(id string) {
		if !slices.Contains(ids, id) && len(ids) < maxSelf {
			ids = append(ids, id)
		}
	}
	for line := range bytes.Lines(mountinfo) {
		fields := strings.Fields(string(line))
		if len(fields) < 5 || !slices.Contains([]string{"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}, fields[4]) {
			continue
		}
		for element := range strings.SplitSeq(fields[3], "/") {
			if len(element) == 64 && isHex(element) {
				add(element)
			}
		}
	}
	if len(hostname) == 12 && isHex(hostname) {
		add(hostname)
	}
	return ids
}

func isHex(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// Self returns the container that this process runs in, where that is one of
// this host's engine. It is asked once.
func (h *Host) Self(ctx context.Context) (self container.Observed, inside bool, err error) {
	h.selfOnce.Lock()
	defer h.selfOnce.Unlock()
	if h.selfKnown {
		return h.self, h.self.ID != "", nil
	}
	for _, id := range h.config.Self {
		o, err := h.engine.Inspect(ctx, id)
		if err != nil && !errors.Is(err, docker.ErrNotFound) {
			return container.Observed{}, false, err
		}
		if err == nil && strings.HasPrefix(o.ID, id) && o.State.IsUp() {
			h.self = o
			break
		}
	}
	h.selfKnown = true
	return h.self, h.self.ID != "", nil
}
