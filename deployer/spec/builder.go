package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var remotePattern = regexp.MustCompile(`^(ssh|tcp|docker-container)://[A-Za-z0-9_.@:\[\]-]+(/[A-Za-z0-9_./-]*)?$`)

func readBuilder(v schema.Value) *Builder {
	b := &Builder{Local: true, Driver: "docker-container"}
	v.Object(schema.Fields{
		"arch": func(v schema.Value) { b.Arch = readArches(v) },
		"remote": func(v schema.Value) {
			if b.Remote = v.Text(); !remotePattern.MatchString(b.Remote) {
				v.Fail("as in ssh://docker@builder.example.com", "%q is not a remote builder", b.Remote)
			}
		},
		"local":      func(v schema.Value) { b.Local = v.Bool() },
		"context":    func(v schema.Value) { b.Context = v.Text() },
		"dockerfile": func(v schema.Value) { b.Dockerfile = v.Text() },
		"target":     func(v schema.Value) { b.Target = v.Text() },
		"args":       func(v schema.Value) { b.Args = v.Pairs() },
		"secrets":    func(v schema.Value) { b.Secrets = readSecretNames(v) },
		"ssh":        func(v schema.Value) { b.SSH = v.Text() },
		"driver":     func(v schema.Value) { b.Driver = readDriver(v) },
		"cache":      func(v schema.Value) { b.Cache = readCache(v) },
		"pack":       func(v schema.Value) { b.Pack = readPack(v) },
		"provenance": func(v schema.Value) { b.Provenance = v.Plain() },
		"sbom":       func(v schema.Value) { b.SBOM = v.Plain() },
	})
	if !b.Local && b.Remote == "" {
		v.Get("local").Fail("add remote: ssh://USER@HOST", "nothing is left to build on")
	}
	return b
}

func readArches(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		if a := item.Choice("amd64", "arm64"); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

func readSecretNames(v schema.Value) []string {
	var out []string
	for _, item := range v.Items() {
		out = append(out, secretName(item))
	}
	return out
}

func readDriver(v schema.Value) string {
	text := v.Text()
	if !strings.HasPrefix(text, "cloud ") && text != "docker" && text != "docker-container" {
		v.Fail(`docker-container, docker or "cloud ORG/NAME"`, "%q is not a driver", text)
	}
	if strings.HasPrefix(text, "cloud ") {
		v.Warn("not supported: Docker's build cloud is reached by its own program and account only; write remote: ssh://USER@HOST, or build in CI")
	}
	return text
}

func readCache(v schema.Value) *BuildCache {
	c := &BuildCache{}
	v.Object(schema.Fields{
		"type": func(v schema.Value) {
			if c.Type = v.Choice("gha", "registry"); c.Type == "gha" {
				v.Warn("not used: GitHub keeps that cache for jobs of GitHub Actions alone; write registry")
			}
		},
		"options": func(v schema.Value) { c.Options = v.Text() },
		"image":   func(v schema.Value) { c.Image = v.Text() },
	})
	return c
}

func readPack(v schema.Value) *Pack {
	p := &Pack{}
	v.Object(schema.Fields{
		"builder":    func(v schema.Value) { p.Builder = v.Text() },
		"buildpacks": func(v schema.Value) { p.Buildpacks = v.Texts() },
	})
	return p
}
