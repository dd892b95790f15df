package spec

import "fmt"

func showProxy(p Proxy) map[string]any {
	m := prune(map[string]any{
		"hosts": p.Hosts, "path_prefixes": p.PathPrefixes, "app_port": p.AppPort, "response_timeout": show(p.ResponseTimeout),
		"healthcheck": map[string]any{"path": p.Healthcheck.Path, "interval": show(p.Healthcheck.Interval), "timeout": show(p.Healthcheck.Timeout)},
		"logging":     prune(map[string]any{"request_headers": p.LogRequestHeaders, "response_headers": p.LogResponseHeaders}),
		"run":         showRun(p.Run),
	})
	m["ssl"] = p.SSL.Enabled
	if p.SSL.Custom() {
		m["ssl"] = map[string]any{"certificate_pem": p.SSL.CertificatePEM, "private_key_pem": p.SSL.PrivateKeyPEM}
	}
	m["ssl_redirect"], m["forward_headers"], m["strip_path_prefix"] = p.SSLRedirect, p.ForwardHeaders, p.StripPathPrefix
	m["buffering"] = map[string]any{
		"requests": p.Buffering.Requests, "responses": p.Buffering.Responses, "memory": p.Buffering.Memory,
		"max_request_body": p.Buffering.MaxRequestBody, "max_response_body": p.Buffering.MaxResponseBody,
	}
	return m
}

func showRun(r ProxyRun) map[string]any {
	m := prune(map[string]any{
		"http_port": r.HTTPPort, "https_port": r.HTTPSPort, "metrics_port": r.MetricsPort, "debug": r.Debug,
		"log_max_size": r.LogMaxSize, "bind_ips": r.BindIPs, "registry": r.Registry, "repository": r.Repository,
		"version": r.Version, "options": r.Options,
	})
	m["publish"] = r.Publish
	return m
}

func showAccessory(a Accessory) map[string]any {
	m := map[string]any{
		"service": a.Service, "image": a.Image, "registry": showRegistry(a.Registry), "hosts": showHosts(a.Hosts),
		"cmd": showCommand(a.Cmd), "port": a.Publish, "env": showEnv(a.Env), "labels": a.Labels,
		"logging": showLogging(a.Logging), "options": a.Options, "restart": a.Restart, "files": showMounts(a.Files),
		"directories": showMounts(a.Directories), "volumes": a.Volumes, "network": a.Network, "backup": a.Backup.Shown(),
	}
	if a.Proxy != nil {
		m["proxy"] = showProxy(*a.Proxy)
	}
	return prune(m)
}

func showMounts(mounts []FileMount) []any {
	var out []any
	for _, m := range mounts {
		out = append(out, prune(map[string]any{"local": m.Local, "remote": m.Remote, "mode": m.Mode, "owner": m.Owner, "options": m.Options}))
	}
	return out
}

func showBuilder(b *Builder) map[string]any {
	if b == nil {
		return nil
	}
	m := map[string]any{
		"arch": b.Arch, "remote": b.Remote, "local": b.Local, "context": b.Context, "dockerfile": b.Dockerfile,
		"target": b.Target, "args": b.Args, "secrets": b.Secrets, "ssh": b.SSH, "driver": b.Driver,
		"provenance": b.Provenance, "sbom": b.SBOM,
	}
	if b.Cache != nil {
		m["cache"] = prune(map[string]any{"type": b.Cache.Type, "options": b.Cache.Options, "image": b.Cache.Image})
	}
	if b.Pack != nil {
		m["pack"] = prune(map[string]any{"builder": b.Pack.Builder, "buildpacks": b.Pack.Buildpacks})
	}
	return prune(m)
}

func showSSH(s SSH) map[string]any {
	m := prune(map[string]any{
		"user": s.User, "port": s.Port, "proxy": s.Proxy, "proxy_command": s.ProxyCommand.Raw, "keys": s.Keys,
		"key_data": s.KeyData, "keys_only": s.KeysOnly, "forward_agent": s.ForwardAgent, "log_level": s.LogLevel,
	})
	m["config"] = s.Config.Default
	if len(s.Config.Files) > 0 {
		m["config"] = s.Config.Files
	}
	return m
}

func showBoot(b Boot) map[string]any {
	return prune(map[string]any{"limit": showLimit(b.Limit), "wait": show(b.Wait), "parallel_roles": b.ParallelRoles})
}

func showLimit(l BootLimit) any {
	if l.Percent > 0 {
		return fmt.Sprintf("%d%%", l.Percent)
	}
	return l.Count
}

func showFairlead(x XFairlead) map[string]any {
	var follow []string
	if x.FollowTag {
		follow = append(follow, "tag")
	}
	if x.FollowSecrets {
		follow = append(follow, "secrets")
	}
	m := prune(map[string]any{
		"window": show(x.Window), "on_failure": string(x.OnFailure), "follow": follow, "image_tag": x.ImageTag,
		"proxy": prune(map[string]any{"kind": x.Proxy.Kind, "acme_email": x.Proxy.ACMEEmail, "acme_directory": x.Proxy.ACMEDirectory}),
	})
	if x.Unreachable != UnreachableBlock {
		m["unreachable"] = string(x.Unreachable)
	}
	for name, o := range x.Hooks {
		m["hooks."+name] = prune(map[string]any{"run": string(o.Run), "deadline": show(o.Deadline)})
	}
	if x.Load {
		m["transport"] = "load"
	}
	m["self_heal"], m["prune"] = x.SelfHeal, x.Prune
	return m
}
