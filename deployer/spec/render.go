package spec

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Redacted returns the resolved file as plain maps, lists, texts, numbers and
// booleans, with Kamal's keys where it has them. Secrets appear by name, a
// literal one as secret.Redacted. What is empty is left out.
func (d *Deploy) Redacted() map[string]any {
	m := map[string]any{
		"service": d.Service, "image": d.Image.String(), "destination": d.Destination, "version": d.Version,
		"registry": showRegistry(&d.Registry), "primary_role": d.PrimaryRole, "allow_empty_roles": d.AllowEmptyRoles,
		"env": showEnv(d.Env), "labels": d.Labels, "volumes": d.Volumes, "logging": showLogging(d.Logging),
		"builder": showBuilder(d.Builder), "ssh": showSSH(d.SSH), "boot": showBoot(d.Boot),
		"readiness_delay": show(d.ReadinessDelay), "deploy_timeout": show(d.DeployTimeout),
		"drain_timeout": show(d.DrainTimeout), "stop_timeout": show(d.StopTimeout), "retain_containers": d.RetainContainers,
		"aliases": d.Aliases, "hooks": showHooks(d.Hooks), "hook_files": d.HookFiles, "hooks_output": d.HooksOutput,
		"asset_path": d.AssetPath, "error_pages_path": d.ErrorPagesPath, "secrets_path": d.SecretsPath,
		"hooks_path": d.HooksPath, "require_destination": d.RequireDestination, "minimum_version": d.MinimumVersion,
		"output":     prune(map[string]any{"otel": d.Output.OTELEndpoint, "file": d.Output.FilePath}),
		"x-fairlead": showFairlead(d.XFairlead), "traefik": showTraefik(d.Traefik),
		"sshkit": prune(map[string]any{"max_concurrent_starts": d.SSHKit.MaxConcurrentStarts,
			"pool_idle_timeout": show(d.SSHKit.PoolIdleTimeout), "dns_retries": d.SSHKit.DNSRetries}),
	}
	servers, accessories := map[string]any{}, map[string]any{}
	for _, r := range d.Roles {
		servers[r.Name] = showRole(r)
	}
	for _, a := range d.Accessories {
		accessories[a.Name] = showAccessory(a)
	}
	m["servers"], m["accessories"] = servers, accessories
	return prune(m)
}

// RenderYAML returns Redacted as YAML, keys sorted.
func (d *Deploy) RenderYAML() ([]byte, error) { return schema.MarshalYAML(d.Redacted()) }

// RenderJSON returns Redacted as indented JSON, keys sorted.
func (d *Deploy) RenderJSON() ([]byte, error) {
	b, err := json.MarshalIndent(d.Redacted(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return append(b, '\n'), nil
}

// prune drops what is empty: "", nil, false, 0, and maps and lists without
// anything in them.
func prune(m map[string]any) map[string]any {
	for k, v := range m {
		empty := false
		switch v := v.(type) {
		case nil:
			empty = true
		case string:
			empty = v == ""
		case bool:
			empty = !v
		case int:
			empty = v == 0
		case int64:
			empty = v == 0
		case []string:
			empty = len(v) == 0
		case []any:
			empty = len(v) == 0
		case map[string]any:
			empty = len(v) == 0
		case map[string]string:
			empty = len(v) == 0
		case map[string][]string:
			empty = len(v) == 0
		}
		if empty {
			delete(m, k)
		}
	}
	return m
}

func show(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func showCredential(c Credential) any {
	switch {
	case c.Secret != "":
		return []string{c.Secret}
	case c.Literal.IsZero():
		return nil
	}
	return c.Literal.String()
}

func showRegistry(r *Registry) map[string]any {
	if r == nil {
		return nil
	}
	return prune(map[string]any{"server": r.Server, "username": showCredential(r.Username), "password": showCredential(r.Password)})
}

func showEnv(e Env) map[string]any {
	var secrets []string
	for _, s := range e.Secrets {
		text := shownSecret(s.Name, s.Source)
		if s.Source == "" {
			text = s.Name + "=" + secret.Redacted
		}
		secrets = append(secrets, text)
	}
	tags := map[string]any{}
	for tag, env := range e.Tags {
		tags[tag] = showEnv(env)
	}
	return prune(map[string]any{"clear": e.Clear, "secret": secrets, "tags": tags})
}

func showLogging(g Logging) map[string]any {
	return prune(map[string]any{"driver": g.Driver, "options": g.Options})
}

func showHosts(hosts []HostEntry) []any {
	var out []any
	for _, h := range hosts {
		if len(h.Tags) > 0 {
			out = append(out, map[string]any{h.String(): h.Tags})
		} else {
			out = append(out, h.String())
		}
	}
	return out
}

func showCommand(c Command) string { return c.Raw }

func showRole(r Role) map[string]any {
	m := map[string]any{
		"hosts": showHosts(r.Hosts), "primary": r.Primary, "cmd": showCommand(r.Cmd), "env": showEnv(r.Env),
		"labels": r.Labels, "logging": showLogging(r.Logging), "options": r.Options, "restart": r.Restart,
		"asset_path": r.AssetPath, "stop_timeout": show(r.StopTimeout), "strategy": string(r.Strategy),
		"scale": r.Scale, "wait": show(r.Wait), "health": showHealth(r.Health),
	}
	if r.Strategy == StrategyCanary {
		m["canary"] = prune(map[string]any{"hosts": showLimit(r.Canary.Hosts), "percent": r.Canary.Percent, "for": show(r.Canary.For)})
	}
	m = prune(m)
	m["proxy"] = false
	if r.Proxied {
		m["proxy"] = showProxy(*r.Proxy)
	}
	return m
}

func showHealth(h *Health) map[string]any {
	if h == nil {
		return nil
	}
	m := map[string]any{"tcp": h.TCP, "cmd": showCommand(h.Cmd), "interval": show(h.Interval), "timeout": show(h.Timeout), "retries": h.Retries}
	if h.HTTP != nil {
		m["http"] = prune(map[string]any{"path": h.HTTP.Path, "port": h.HTTP.Port})
	}
	return prune(m)
}

func showHooks(list []hooks.Hook) map[string]any {
	m := map[string]any{}
	for _, h := range list {
		m[h.Name] = map[string]any{"run": string(h.Run), "commands": h.Commands}
	}
	return m
}
