package dialect

import (
	"github.com/fairlead-deploy/fairlead/deployer/spec/flags"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// Shape adds to what Kamal 2's readers take what Translate takes before them,
// and the names that only they know: flags of docker run, and the hooks.
func Shape(root *schema.Shape, hooks []string) *schema.Shape {
	text := func(why string) *schema.Shape { return &schema.Shape{Text: true, Old: why} }
	old := func(why string, s *schema.Shape) *schema.Shape { s.Old = why; return s }
	healthcheck := func() *schema.Shape {
		return &schema.Shape{Old: "Kamal 1's; write proxy.healthcheck and proxy.app_port.", Fields: map[string]*schema.Shape{
			"path": text(""), "interval": {Duration: true}, "port": {Number: true, Min: 1, Max: 65535}, "max_attempts": {Number: true, Min: 1, Max: 1000},
			"cmd": text(""), "cord": text(""), "log_lines": text(""), "exposed_port": text("")}}
	}
	role := root.Fields["servers"].Any
	role.Fields["traefik"] = old("Kamal 1's; write proxy.", &schema.Shape{Bool: true})
	role.Fields["stop_wait_time"] = old("Kamal 1's; write stop_timeout.", &schema.Shape{Duration: true})
	role.Fields["healthcheck"] = healthcheck()
	settings := &schema.Shape{Fields: map[string]*schema.Shape{"port": {Bool: true, Number: true, Min: 1, Max: 65535}}}
	for key, s := range role.Fields {
		settings.Fields[key] = s
	}
	anything := &schema.Shape{Text: true, Item: &schema.Shape{Text: true}}
	free := func() *schema.Shape { return &schema.Shape{Any: anything} }
	for key, s := range map[string]*schema.Shape{
		"roles":            {Any: settings},
		"asset":            {Old: "Write asset_path.", Fields: map[string]*schema.Shape{"path": text("")}},
		"primary_web_role": text("Kamal 1's; write primary_role."),
		"stop_wait_time":   old("Kamal 1's; write stop_timeout and drain_timeout.", &schema.Shape{Duration: true}),
		"run_directory":    text("Ignored, as in Kamal 2."),
		"healthcheck":      healthcheck(),
		"traefik": {Old: "Kamal 1's; with x-fairlead: {proxy: traefik} it is how Traefik runs, else it is read as Kamal 2's words.", Fields: map[string]*schema.Shape{"image": text(""), "host_port": {Number: true, Min: 1, Max: 65535},
			"publish": {Bool: true}, "args": free(), "options": free(), "labels": free(), "env": {Any: &schema.Shape{Text: true, Item: anything, Any: anything}}}},
	} {
		root.Fields[key] = s
	}
	builder := root.Fields["builder"].Fields
	builder["multiarch"] = old("Kamal 1's; write arch: [amd64, arm64].", &schema.Shape{Bool: true})
	for _, place := range []string{"local", "remote"} {
		builder[place].Fields = map[string]*schema.Shape{"arch": text(""), "host": text("")}
	}
	root.Fields["hooks"].Names, root.Fields["x-fairlead"].Fields["hooks"].Names = hooks, hooks
	for _, s := range []*schema.Shape{role, root.Fields["accessories"].Any, root.Fields["proxy"].Fields["run"]} {
		s.Fields["options"].Names = flags.All()
	}
	return root
}
