package policy

import (
	"cmp"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// hooks asks for the hooks that a rollout runs: in a container they are as
// mighty as the app, and still are run where nobody asked for a container. On
// Fairlead's own machine they are its commands, too.
func (j *judge) hooks() {
	run := need{what: "running hooks", words: []string{hook}}
	for _, h := range j.deploy.Hooks {
		if hooks.Runs(h.Name) {
			at := "hooks." + h.Name
			j.want(at, run)
			j.place(j.deploy.Pos(at), at, h.Name, h.Run)
		}
	}
	for _, name := range j.deploy.HookFiles {
		if hooks.Runs(name) {
			at := spec.Position{File: j.deploy.HooksPath + "/" + name, Line: 1, Column: 1}
			j.wantAt(at, "hook "+name, run)
			j.place(at, "hook "+name, name, hooks.InContainer)
		}
	}
}

// place looks at where a hook runs; what x-fairlead says goes first.
func (j *judge) place(at spec.Position, path, name string, written hooks.Place) {
	switch cmp.Or(j.deploy.XFairlead.Hooks[name].Run, written) {
	case hooks.OnDaemon:
		j.wantAt(at, path, need{what: "a hook on Fairlead's machine", words: []string{commands}})
	case hooks.OnBuilder:
		j.refuseAt(at, path, "there is no builder while "+name+" runs", "write `run: container`, or `run: daemon`")
	case hooks.OnHost:
		j.refuseAt(at, path, "hooks do not run on the servers themselves", "write `run: container`, or `run: daemon`")
	}
}

// wantAt is want for what is not written in the file.
func (j *judge) wantAt(at spec.Position, path string, n need) {
	if !slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(j.policy.Allow, w) }) {
		j.refuseAt(at, path, n.what+" is not allowed", j.policy.remedy(n))
	}
}
