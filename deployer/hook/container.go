package hook

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// The labels of a hook's container, besides those of its service, release and
// revision.
const (
	label         = "fairlead.hook"          // "pre-deploy"
	labelDeadline = "fairlead.hook.deadline" // "30m0s"
)

// scriptPath is where a hook's file is in its container.
const scriptPath = "/fairlead-hook"

// Facts are what a hook is told of its release.
type Facts struct {
	Release release.Release
	Hosts   []string // of the release
	Roles   []string // only these were asked for; nil: all
	// Rollback tells that a person goes back to an earlier release.
	Rollback bool
	// Command and Subcommand are the words of a person's verb; without them it is
	// a rollout. Unlocked tells that nobody else is kept out meanwhile.
	Command, Subcommand string
	Unlocked            bool
	Now                 time.Time
}

// env are the variables of Kamal 2.12's hooks, and some of Fairlead's.
func (f Facts) env(t Task) map[string]string {
	r := f.Release
	env := map[string]string{
		"KAMAL_RECORDED_AT":     f.Now.UTC().Format(time.RFC3339),
		"KAMAL_PERFORMER":       cmp.Or(r.Cause.Actor, address(r.Revision.Author), "fairlead"),
		"KAMAL_VERSION":         r.Version,
		"KAMAL_SERVICE":         r.Lane.Service,
		"KAMAL_SERVICE_VERSION": r.Lane.Service + "@" + r.Version[:min(7, len(r.Version))],
		"KAMAL_HOSTS":           strings.Join(f.Hosts, ","),
		"KAMAL_COMMAND":         "deploy",
		"KAMAL_LOCK":            "true",
		"FAIRLEAD_HOOK":         t.Hook,
		"FAIRLEAD_RELEASE":      string(r.ID),
		"FAIRLEAD_REVISION":     r.Revision.SHA,
		"FAIRLEAD_PREVIOUS":     r.Previous,
	}
	switch {
	case f.Command != "":
		env["KAMAL_COMMAND"] = f.Command
	case f.Rollback:
		env["KAMAL_COMMAND"] = "rollback"
	}
	if f.Subcommand != "" {
		env["KAMAL_SUBCOMMAND"] = f.Subcommand
	}
	if f.Unlocked {
		env["KAMAL_LOCK"] = "false"
	}
	if r.ID == "" {
		delete(env, "FAIRLEAD_RELEASE")
		delete(env, "FAIRLEAD_PREVIOUS")
	}
	if len(f.Roles) > 0 {
		env["KAMAL_ROLES"] = strings.Join(f.Roles, ",")
	}
	if r.Lane.Destination != "" {
		env["KAMAL_DESTINATION"] = r.Lane.Destination
	}
	if t.Hook == postDeploy && !r.Started.IsZero() {
		env["KAMAL_RUNTIME"] = strconv.Itoa(int(f.Now.Sub(r.Started).Seconds()))
	}
	if r.Failure != nil && isBack(t.Hook) {
		text := r.Failure.Error()
		env["FAIRLEAD_FAILURE"] = strings.ToValidUTF8(text[:min(len(text), 1024)], "")
	}
	return env
}

// address is the e-mail of "Ana Lee <ana@example.com>".
func address(author string) string {
	_, rest, ok := strings.Cut(author, "<")
	if !ok {
		return author
	}
	return strings.TrimSuffix(rest, ">")
}

// name is what the container of a task is called; no other ever is.
func name(r release.Release, t Task) string {
	parts := []string{r.Lane.Service, "hook", t.Hook, r.Lane.Destination, string(r.ID)}
	if t.Part > 0 {
		parts = append(parts, strconv.Itoa(t.Part))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "-")
}

// specOf is the container of a task: made as the unit's is, with its image,
// environment, mounts, network and limits, but with nothing by which it could
// be taken for the service itself, and a log of its own that stays small.
func specOf(like plan.Unit, f Facts, t Task) container.Spec {
	s := like.Spec
	s.Cmd = t.Argv
	if t.Script != nil {
		s.Entrypoint, s.Cmd = []string{scriptPath}, nil
		s.Security.ReadOnlyRootfs = false // else the file cannot be put there
	}
	s.Env = maps.Clone(s.Env)
	if s.Env == nil {
		s.Env = map[string]secret.Value{}
	}
	for key, value := range f.env(t) {
		s.Env[key] = secret.New(value)
	}
	s.Env["KAMAL_CONTAINER_NAME"] = secret.New(name(f.Release, t))
	s.Labels = map[string]string{
		plan.LabelService: f.Release.Lane.Service, plan.LabelDestination: f.Release.Lane.Destination,
		plan.LabelRelease: string(f.Release.ID), plan.LabelRevision: f.Release.Revision.SHA,
		label: t.String(), labelDeadline: t.Deadline.String(),
	}
	s.Ports, s.NetworkAliases, s.IP, s.Hostname = nil, nil, "", ""
	s.TTY, s.OpenStdin = false, false
	s.Restart = container.Restart{}
	s.Health = &container.Healthcheck{Disabled: true}
	s.Log = container.Log{Driver: "json-file", Options: map[string]string{"max-size": "1m", "max-file": "2"}}
	return s
}

// Place is the unit that a release's hooks are made like: that of the primary
// role on its first host, else the first of all. false where there is none.
func Place(d plan.Desired) (plan.Unit, bool) {
	i := slices.IndexFunc(d.Units, func(u plan.Unit) bool { return u.Primary })
	if i < 0 && len(d.Units) > 0 {
		i = 0
	}
	if i < 0 {
		return plan.Unit{}, false
	}
	return d.Units[i], true
}
