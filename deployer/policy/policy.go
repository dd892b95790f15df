package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// Mode is how much a deploy.yml may ask for.
type Mode string

// The modes. Kamal, which the zero mode means too, lets whoever pushes do what
// Kamal lets him do. Strict gives containers nothing of the host but what is
// listed.
const (
	Kamal  Mode = "kamal"
	Strict Mode = "strict"
)

// Harmless, among Policy.Options, stands for the flags that are allowed where
// no list is written: those whose every value is harmless, and those whose
// value is judged by what it does.
const Harmless = "harmless"

// Words of Policy.Allow. Each lifts one kind of refusal.
const (
	commands     = "commands"      // commands on the daemon's machine; asked for in every mode
	hook         = "hooks"         // hooks; asked for in every mode
	host         = "host"          // the host's or another container's namespaces, ports below 1024
	mounts       = "mounts"        // folders of the host, volumes of other containers
	proxyCommand = "proxy_command" // ssh.proxy_command alone of them; asked for in every mode
	privileged   = "privileged"    // privileged containers, devices, capabilities, weaker confinement
	socket       = "socket"        // the engine's socket
)

// Policy is what the operator grants to one repository. All but Allow matters
// in Strict mode only.
type Policy struct {
	Mode Mode
	// Mounts are absolute folders of the host that, with all below them, may be
	// mounted.
	Mounts []string
	// Options are the names of docker run's flags that `options:` may have;
	// none means only Harmless ones. A flag whose reach is granted otherwise,
	// such as a volume in one of Mounts, need not be among them.
	Options []string
	// Registries are HOST[/PATH] that images may come from, with all below
	// them; none means every registry. Docker Hub is docker.io.
	Registries []string
	// Allow are the words of `allow:` in fairlead.yml; others than those of
	// this package mean nothing here.
	Allow []string
}

// Check returns nil when the policy lets the file be, else spec.Errors with
// everything that it asks for and was not granted, in the file's order, each
// with the line that would grant it. A file that cannot be judged, because an
// option cannot be read, is refused in Strict mode.
func Check(d *spec.Deploy, p Policy) error {
	j := &judge{deploy: d, policy: p, seen: map[string]bool{}}
	if d.SSH.ProxyCommand.Raw != "" {
		j.want("ssh.proxy_command", need{what: "a command that is run on Fairlead's machine", words: proxyWords()})
	}
	j.hooks()
	if p.Mode == Strict {
		j.images()
		j.proxyRun("proxy.run", d.Proxy.Run)
		j.traefik()
		for i := range d.Roles {
			j.role(&d.Roles[i])
		}
		for i := range d.Accessories {
			j.accessory(&d.Accessories[i])
		}
	}
	if len(j.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(j.errors, func(a, b *spec.Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return j.errors
}

// proxyWords let deploy.yml say what connects to its hosts.
func proxyWords() []string { return []string{proxyCommand, commands} }

// ProxyCommand tells whether these words of allow: let ssh.proxy_command be run
// on Fairlead's machine.
func ProxyCommand(allow []string) bool {
	return slices.ContainsFunc(proxyWords(), func(w string) bool { return slices.Contains(allow, w) })
}

// need is one thing that a file asks for.
type need struct {
	what string // "a privileged container"
	// words of allow: lift the refusal, each of them alone.
	words []string
	// folder, option or image would be listed to lift it; all empty and no
	// words: nothing lifts it.
	folder, option, image string
	// exact folders are granted only when they are listed themselves.
	exact bool
	// hint says what to do instead where nothing lifts the refusal.
	hint string
}

// judge collects what is refused.
type judge struct {
	deploy *spec.Deploy
	policy Policy
	errors spec.Errors
	seen   map[string]bool
}

// want refuses what the value at path needs, unless it is granted. What two
// paths share, as roles share what the root says, is refused once.
func (j *judge) want(path string, n need) {
	if !j.policy.grants(n) {
		j.refuse(path, n.what+" is not allowed", j.policy.remedy(n))
	}
}

func (j *judge) refuse(path, message, hint string) {
	j.refuseAt(j.deploy.Pos(path), path, message, hint)
}

func (j *judge) refuseAt(at spec.Position, path, message, hint string) {
	key := fmt.Sprintf("%s %s", at, message)
	if j.seen[key] {
		return
	}
	j.seen[key] = true
	j.errors = append(j.errors, &spec.Error{Position: at, Path: path, Message: message, Hint: hint})
}

func (p Policy) grants(n need) bool {
	switch {
	case slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(p.Allow, w) }):
		return true
	case n.folder != "":
		return slices.ContainsFunc(p.Mounts, func(m string) bool {
			return hostPath(m) == n.folder || !n.exact && below(n.folder, hostPath(m))
		})
	case n.option != "":
		return slices.Contains(p.Options, n.option)
	case n.image != "":
		return p.grantsImage(n.image)
	}
	return false
}
