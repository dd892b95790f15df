package spec

import (
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/deployer/spec/traefik"
)

// Traefik is Kamal 1's root key traefik, of a file that keeps Traefik; else it
// is translated (spec/dialect).
type Traefik struct {
	traefik.Settings
	// Options are docker run flags as in Role.Options, Labels and Env the
	// container's own.
	Options map[string][]string
	Labels  map[string]string
	Env     Env
}

func (l *loader) readTraefik(v schema.Value) {
	t := &l.d.Traefik
	fields := traefik.Fields(&t.Settings)
	fields["options"] = func(v schema.Value) { t.Options, _ = readOptions(v) }
	fields["labels"] = func(v schema.Value) { t.Labels = readLabels(v) }
	fields["env"] = func(v schema.Value) { t.Env = l.readEnv(v, false) }
	v.Object(fields)
}

func showTraefik(t Traefik) map[string]any {
	args := map[string]any{}
	for _, a := range t.Args {
		have, _ := args[a.Name].([]string)
		args[a.Name] = append(have, a.Value)
	}
	m := map[string]any{"image": t.Image, "args": args, "options": t.Options, "labels": t.Labels, "env": showEnv(t.Env), "host_port": t.HostPort}
	if t.Unpublished {
		m["publish"] = false
	}
	return prune(m)
}
