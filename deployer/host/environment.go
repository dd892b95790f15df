package host

import (
	"context"
	"fmt"
	"strings"
)

// Environment returns the variables that a command of the SSH user gets on the
// host: for this machine Config.Environ.
func (h *Host) Environment(ctx context.Context) (map[string]string, error) {
	var lines []string
	if h.client == nil {
		if h.config.Environ != nil {
			lines = h.config.Environ()
		}
	} else {
		out, err := h.client.Output(ctx, "env -0")
		if err != nil {
			return nil, fmt.Errorf("read environment of %s: %w", h.name, err)
		}
		lines = strings.Split(out, "\x00")
	}
	env := map[string]string{}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env, nil
}
