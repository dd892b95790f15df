// Package hooks reads what a repository says of hooks: those written in
// deploy.yml, how they are run, and which files are hooks. Pure.
//
// Lives here: their names, places and readers. May not live here: which of
// them a release runs, and how (deployer/hook).
package hooks

import (
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// Hook is a named list of commands written under `hooks:`.
type Hook struct {
	// Name is one of Names.
	Name     string
	Commands []string
	// Run is where the commands are meant to run.
	Run Place
}

// Place is where a hook's commands run.
type Place string

// The places of a hook.
const (
	// InContainer is a one-off container of the new version.
	InContainer Place = "container"
	// OnBuilder is where images are built: builder.remote, else the machine that
	// Fairlead runs on.
	OnBuilder Place = "builder"
	// OnHost is the first server of the primary role itself; of hooks that
	// rollouts do not run, each server in question.
	OnHost Place = "host"
	// OnDaemon is the machine that Fairlead runs on.
	OnDaemon Place = "daemon"
)

// Options are x-fairlead's words on a hook, be it written in deploy.yml or a
// file of its own. Zero fields are as if nothing was said.
type Options struct {
	Run Place
	// Deadline is how long each of its commands may take.
	Deadline time.Duration
}

// Names are Kamal 2.12's hooks, and two of Fairlead's own.
func Names() []string {
	return []string{DockerSetup, "pre-connect", PreBuild, "pre-deploy", "pre-app-boot",
		"post-app-boot", "post-deploy", PreProxyReboot, PostProxyReboot, "on-failure", "on-rollback"}
}

// The hooks that come with what a rollout does not do.
const (
	DockerSetup     = "docker-setup"      // hosts are made ready
	PreBuild        = "pre-build"         // an image is built
	PreProxyReboot  = "pre-proxy-reboot"  // proxies are made anew
	PostProxyReboot = "post-proxy-reboot" // they are there
)

// Runs tells whether rollouts run a hook.
func Runs(name string) bool {
	return !slices.Contains([]string{DockerSetup, PreBuild, PreProxyReboot, PostProxyReboot}, name)
}

// Default is where a hook runs where nothing is said: in a container of the new
// version, for only there do an app's own commands exist. Hooks of no version run
// where Kamal runs them, on the machine that Fairlead runs on; commands of a
// build, which are not written for Kamal, on the builder.
func Default(name string, file bool) Place {
	switch {
	case Runs(name):
		return InContainer
	case name == PreBuild && !file:
		return OnBuilder
	}
	return OnDaemon
}

// Read reads hooks written in the file: NAME: [commands], or NAME: {run: PLACE,
// commands: […]}.
func Read(v schema.Value) []Hook {
	var list []Hook
	v.Each(func(name string, value schema.Value) {
		if !known(v, name) {
			return
		}
		h := Hook{Name: name, Run: Default(name, false)}
		if value.Kind() == schema.Map {
			value.Object(schema.Fields{
				"run":      func(v schema.Value) { h.Run = place(v) },
				"commands": func(v schema.Value) { h.Commands = v.Texts() },
			})
		} else {
			h.Commands = value.Texts()
		}
		if len(h.Commands) > 0 {
			list = append(list, h)
		}
	})
	return list
}

// ReadOptions reads x-fairlead.hooks: NAME: {run: PLACE, deadline: 5m}.
func ReadOptions(v schema.Value) map[string]Options {
	all := map[string]Options{}
	v.Each(func(name string, value schema.Value) {
		if !known(v, name) {
			return
		}
		var o Options
		value.Object(schema.Fields{
			"run": func(v schema.Value) { o.Run = place(v) },
			"deadline": func(v schema.Value) {
				if o.Deadline = v.Duration(); o.Deadline == 0 && v.Kind() == schema.Scalar {
					v.Fail("", "must be more than 0")
				}
			},
		})
		all[name] = o
	})
	return all
}

// known tells whether there is such a hook, and fails where there is none.
func known(v schema.Value, name string) bool {
	if slices.Contains(Names(), name) {
		return true
	}
	hint := schema.Suggest(name, Names())
	if hint == "" {
		hint = "one of " + strings.Join(Names(), ", ")
	}
	v.AtKey(name).Fail(hint, "there is no such hook")
	return false
}

func place(v schema.Value) Place {
	return Place(v.Choice(string(InContainer), string(OnBuilder), string(OnHost), string(OnDaemon)))
}

// Files are the names of the files in a folder of the repository that are
// hooks, sorted.
func Files(files fs.FS, folder string) (names []string) {
	for _, name := range Names() {
		if info, err := fs.Stat(files, path.Join(folder, name)); err == nil && !info.IsDir() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
