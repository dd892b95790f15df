package container

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Without returns the spec minus what an image with these defaults brings by
// itself, so that two specs for one image that make the same container are
// equal: it fills in the image's configuration as the engine does when it
// creates a container (moby daemon/commit.go, merge), then takes out what is
// the image's own. Applied to a spec that an engine showed, it leaves what the
// creator asked for. It is idempotent.
func (d Defaults) Without(s Spec) Spec {
	s.Entrypoint, s.Cmd = d.command(s.Entrypoint, s.Cmd)
	s.Env = maps.Clone(s.Env)
	maps.DeleteFunc(s.Env, func(k string, v secret.Value) bool {
		image, ok := d.Env[k]
		return ok && v.Reveal() == image
	})
	s.Labels = maps.Clone(s.Labels)
	maps.DeleteFunc(s.Labels, func(k, v string) bool { image, ok := d.Labels[k]; return ok && v == image && !whose(k) })
	if s.User == d.User {
		s.User = ""
	}
	if s.WorkingDir == d.WorkingDir || s.WorkingDir == "/" && d.WorkingDir == "" {
		s.WorkingDir = ""
	}
	if signal(s.StopSignal) == signal(d.StopSignal) {
		s.StopSignal = ""
	}
	s.Health = d.health(s.Health)
	s.Mounts = slices.DeleteFunc(slices.Clone(s.Mounts), func(m Mount) bool {
		return m.Kind == Volume && m.Source == "" && slices.Contains(d.Volumes, m.Target)
	})
	s.Expose = slices.DeleteFunc(slices.Clone(s.Expose), func(e string) bool {
		return slices.ContainsFunc(d.Expose, func(i string) bool { return portName(i) == portName(e) }) ||
			slices.ContainsFunc(s.Ports, func(p Port) bool { return p.name() == portName(e) })
	})
	return s
}

// whose tells whether a label says whose a container is. Builders put one of
// these on images too (Kamal's and ours: service), and containers are found by
// them.
func whose(label string) bool { return label == "service" || label == "role" || label == "destination" }

// command resolves entrypoint and cmd against the image's and gives back the
// shortest form that means the same.
func (d Defaults) command(entrypoint, cmd []string) (e, c []string) {
	if len(entrypoint) == 0 {
		if len(cmd) == 0 {
			cmd = d.Cmd
		}
		entrypoint = d.Entrypoint
	}
	switch {
	case !slices.Equal(entrypoint, d.Entrypoint):
		return entrypoint, cmd
	case slices.Equal(cmd, d.Cmd):
		return nil, nil
	case len(cmd) == 0: // the image's cmd was dropped by naming the entrypoint
		return entrypoint, nil
	}
	return nil, cmd
}

// health fills the zero fields of a health check with the image's, and
// returns nil where that is the image's own.
func (d Defaults) health(h *Healthcheck) *Healthcheck {
	if h == nil {
		return nil
	}
	if h.Disabled {
		if d.Health == nil || d.Health.Disabled {
			return nil
		}
		return &Healthcheck{Disabled: true}
	}
	full := *h
	if i := d.Health; i != nil && !i.Disabled {
		if len(full.Test) == 0 {
			full.Test = i.Test
		}
		full.Interval = cmp.Or(full.Interval, i.Interval)
		full.Timeout = cmp.Or(full.Timeout, i.Timeout)
		full.StartPeriod = cmp.Or(full.StartPeriod, i.StartPeriod)
		full.Retries = cmp.Or(full.Retries, i.Retries)
		if slices.Equal(full.Test, i.Test) && full.Interval == i.Interval && full.Timeout == i.Timeout &&
			full.StartPeriod == i.StartPeriod && full.Retries == i.Retries {
			return nil
		}
	}
	if len(full.Test) == 0 {
		return nil // intervals of a check that is not there
	}
	return &full
}

// signal gives a stop signal one name; none is SIGTERM.
func signal(s string) string {
	s = strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if n, ok := signalNumbers()[s]; ok {
		s = n
	}
	return cmp.Or(s, "TERM")
}

// signalNumbers are Linux's (signal(7), x86 and ARM), of those that stop
// programs.
func signalNumbers() map[string]string {
	return map[string]string{"1": "HUP", "2": "INT", "3": "QUIT", "9": "KILL", "10": "USR1", "12": "USR2", "15": "TERM", "28": "WINCH"}
}

func portName(s string) string {
	if !strings.Contains(s, "/") {
		return s + "/tcp"
	}
	return strings.ToLower(s)
}
