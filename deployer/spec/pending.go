package spec

import (
	"maps"
	"regexp"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/traefik"
)

// pendingFeature is a part of the file that is read and checked but that no
// rollout acts on.
type pendingFeature struct {
	// paths matches the places in the resolved file.
	paths   *regexp.Regexp
	message string
}

// pendingFeatures is the whole list: a line goes when its feature comes.
// (A root traefik: is spoken of by spec/dialect and spec/traefik.) Each look at a repository needs
// it, so its patterns are compiled once.
var pendingFeatures = []pendingFeature{
	pending(`builder\.(provenance|sbom)`, "no attestation is made: an engine has no way to push one beside an image; build in CI where one is asked for"),
	pending(`builder\.cache\.options`, "not used: the cache is in the image itself (BuildKit's inline cache: what is in the final stage)"),
	pending(`builder\.pack`, "not supported: pack needs an engine's socket inside its containers; write a Dockerfile, or build in CI"),
}

func pending(paths, message string) pendingFeature {
	return pendingFeature{regexp.MustCompile("^(?:" + paths + ")$"), message}
}

func (l *loader) warnPending() {
	if l.d.XFairlead.Proxy.Kind == "traefik" {
		traefik.Look(l.root)
	}
	for _, path := range slices.Sorted(maps.Keys(l.d.positions)) {
		for _, f := range pendingFeatures {
			if f.paths.MatchString(path) {
				l.report.Warn(Warning{Position: l.d.positions[path], Path: path, Message: f.message})
			}
		}
	}
	if l.d.Builder != nil {
		return
	}
	const unbuilt = "not run: deploy.yml has no builder:, so that no image is built"
	if path := "hooks." + hooks.PreBuild; l.d.positions[path] != (Position{}) {
		l.report.Warn(Warning{Position: l.d.positions[path], Path: path, Message: unbuilt})
	}
	if slices.Contains(l.d.HookFiles, hooks.PreBuild) {
		l.report.Warn(Warning{Position: Position{File: l.d.HooksPath + "/" + hooks.PreBuild, Line: 1, Column: 1}, Message: unbuilt})
	}
}
