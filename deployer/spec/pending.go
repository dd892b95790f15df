package spec

import (
	"maps"
	"regexp"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// pendingFeature is a part of the file that is read and checked but that no
// rollout acts on.
type pendingFeature struct {
	// paths matches the places in the resolved file.
	paths   *regexp.Regexp
	message string
}

// pendingFeatures is the whole list: a line goes when its feature comes.
// (A root traefik: is spoken of by spec/dialect.) Each look at a repository needs
// it, so its patterns are compiled once.
var pendingFeatures = []pendingFeature{
	pending(`hooks\.(docker-setup|pre-build|pre-proxy-reboot|post-proxy-reboot)`, neverHook),
	pending(`builder\.(provenance|sbom)`, "no attestations are made: an engine's own BuildKit pushes none"),
	pending(`builder\.cache\.options`, "not used: the cache is in the image itself (BuildKit's inline cache)"),
	pending(`builder\.pack`, "not supported: pack needs an engine's socket inside its containers; write a Dockerfile, or build in CI"),
	pending(`boot\.parallel_roles`, "the roles of one host start one after another"),
	pending(`sshkit|output|hooks_output|minimum_version`, "not used by Fairlead"),
	pending(`ssh\.(keys|key_data|config|proxy_command)`, "the daemon takes keys and known hosts from fairlead.yml"),
}

func pending(paths, message string) pendingFeature {
	return pendingFeature{regexp.MustCompile("^(?:" + paths + ")$"), message}
}

// neverHook is the message about hooks that belong to no rollout.
const neverHook = "not run: a rollout runs pre-connect, pre-deploy, pre-app-boot, post-app-boot, post-deploy, on-failure and on-rollback"

func (l *loader) warnPending() {
	if l.d.XFairlead.Proxy.Kind == "traefik" {
		l.root.Get("x-fairlead").Get("proxy").Warn("Traefik is not started: the proxy that runs is used, else Fairlead's own")
	}
	for _, path := range slices.Sorted(maps.Keys(l.d.positions)) {
		for _, f := range pendingFeatures {
			if f.paths.MatchString(path) {
				l.report.Warn(Warning{Position: l.d.positions[path], Path: path, Message: f.message})
			}
		}
	}
	for _, name := range l.d.HookFiles {
		if !hooks.Runs(name) {
			l.report.Warn(Warning{Position: Position{File: l.d.HooksPath + "/" + name, Line: 1, Column: 1}, Message: neverHook})
		}
	}
}
