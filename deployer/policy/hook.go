package policy

import (
	"cmp"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// Words of Policy.Allow that hooks need besides; asked for in every mode.
const (
	build   = "build"   // building images, before which hooks of it come
	servers = "servers" // hooks on the servers and builders themselves
)

// hooks asks for the hooks that come with a rollout, the build before it
// included: in a container they are as mighty as the app, and still are run where
// nobody asked for a container. On Fairlead's own machine they are its commands,
// too, and on a server its user's.
func (j *judge) hooks() {
	builds := j.deploy.Builder != nil && slices.Contains(j.policy.Allow, build)
	j.hooksOf(func(name string) bool { return hooks.Runs(name) || name == hooks.PreBuild && builds })
}

// Hooks is Check of some hooks alone, which come with what a person does.
func Hooks(d *spec.Deploy, p Policy, names ...string) error {
	j := &judge{deploy: d, policy: p, seen: map[string]bool{}}
	j.hooksOf(func(name string) bool { return slices.Contains(names, name) })
	if len(j.errors) == 0 {
		return nil
	}
	return j.errors
}

func (j *judge) hooksOf(comes func(name string) bool) {
	run := need{what: "running hooks", words: []string{hook}}
	for _, h := range j.deploy.Hooks {
		if comes(h.Name) {
			at := "hooks." + h.Name
			j.want(at, run)
			j.place(j.deploy.Pos(at), at, h.Name, h.Run)
		}
	}
	for _, name := range j.deploy.HookFiles {
		if comes(name) {
			at := spec.Position{File: j.deploy.HooksPath + "/" + name, Line: 1, Column: 1}
			j.wantAt(at, "hook "+name, run)
			j.place(at, "hook "+name, name, hooks.Default(name, true))
		}
	}
}

// place looks at where a hook runs; what x-fairlead says goes first.
func (j *judge) place(at spec.Position, path, name string, written hooks.Place) {
	here := need{what: "a hook on Fairlead's machine", words: []string{commands}}
	there := need{what: "a hook on a server itself", words: []string{servers}}
	b := j.deploy.Builder
	switch where := cmp.Or(j.deploy.XFairlead.Hooks[name].Run, written); {
	case where == hooks.OnDaemon || where == hooks.OnBuilder && b != nil && b.Remote == "":
		j.wantAt(at, path, here)
	case where == hooks.OnHost && name != hooks.PreBuild || where == hooks.OnBuilder && b != nil:
		j.wantAt(at, path, there)
	case where == hooks.OnBuilder:
		j.refuseAt(at, path, "there is no builder", "write `builder:`, or `run: daemon`, for "+name)
	case where == hooks.OnHost:
		j.refuseAt(at, path, "no server is in question while an image is built", "write `run: builder`, or `run: daemon`")
	case !hooks.Runs(name):
		j.refuseAt(at, path, "there is no container of a version when "+name+" runs", "write `run: daemon`, or `run: "+string(otherwise(name))+"`")
	}
}

// otherwise is where a hook of no version can run besides Fairlead's machine.
func otherwise(name string) hooks.Place {
	if name == hooks.PreBuild {
		return hooks.OnBuilder
	}
	return hooks.OnHost
}

// wantAt is want for what is not written in the file.
func (j *judge) wantAt(at spec.Position, path string, n need) {
	if !slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(j.policy.Allow, w) }) {
		j.refuseAt(at, path, n.what+" is not allowed", j.policy.remedy(n))
	}
}
