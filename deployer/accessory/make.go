package accessory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// Terms are what is allowed, and what was asked for.
type Terms struct {
	// Replace lets one that differs be replaced.
	Replace bool
	// Renew replaces also where nothing differs, and where data would stay behind
	// in a volume without a name: a person's reboot.
	Renew bool
	// Start starts what is stopped: a person's boot.
	Start bool
	// Unproven are the releases that have not succeeded, by id: what they made
	// has yet to show that it works.
	Unproven map[string]bool
}

// Action is what is done about one accessory on one host.
type Action string

// The actions.
const (
	Keep    Action = ""
	Boot    Action = "boot"    // make and start one
	Replace Action = "replace" // make another, stop the one, start the other
	Start   Action = "start"   // start what is there
	Await   Action = "await"   // wait until it works
	Serve   Action = "route"   // send it its requests
)

// Decision is what is done about one unit, and why.
type Decision struct {
	Unit   Unit
	Action Action
	// Why is the reason of an action, or of none where something is to be told.
	Why     string
	Changes []container.Change // fields that differ
	Have    *container.Observed
	// Former still run under the names that they had to give away; Spent do not,
	// and have no data of their own.
	Former, Spent []container.Observed
	// Keeps says that the container that is replaced has data of its own: it is
	// stopped and stays.
	Keeps bool
	// failing says that Have keeps ending.
	failing bool
}

// Decide decides about one unit, in view of what its host runs.
func Decide(u Unit, h plan.Host, t Terms) Decision {
	d := Decision{Unit: u}
	for i, c := range h.Beside {
		switch {
		case c.Name == u.Name:
			d.Have = &h.Beside[i]
		case strings.HasPrefix(c.Name, u.Name+"_replaced_") && occupies(c):
			d.Former = append(d.Former, c)
		case c.Name == u.Name+"_replaced_"+c.ID[:min(16, len(c.ID))] && c.Nameless() == "":
			d.Spent = append(d.Spent, c)
		}
	}
	if d.Have == nil {
		d.Action, d.Why = Boot, "there is none"
		return d
	}
	d.Changes = differences(u, *d.Have)
	d.Keeps = d.Have.Nameless() != ""
	state := d.Have.State
	unused := state.Status == container.Created
	fresh := t.Unproven[d.Have.Spec.Labels[plan.LabelRelease]]
	d.failing = failing(state)
	switch {
	case t.Renew:
		d.Action, d.Why = Replace, "asked for"
	case len(d.Changes) > 0 && (unused || fresh && d.failing) && !d.Keeps:
		d.Action, d.Why = Replace, "it never worked, and "+said(d.Changes)
	case len(d.Changes) > 0 && t.Replace && !d.Keeps:
		d.Action, d.Why = Replace, said(d.Changes)
	case len(d.Changes) > 0:
		d.Why = d.stays(t)
	case unused:
		d.Action, d.Why = Start, "it was not started"
	case t.Start && !occupies(*d.Have):
		d.Action, d.Why = Start, "it is stopped"
	case state.Status == container.Restarting && fresh, len(d.Former) > 0, fresh && state.IsUp() && state.Health != container.Healthy:
		d.Action, d.Why = Await, "it has yet to show that it works"
	case (fresh || t.Start) && state.IsUp() && len(d.Spent) > 0:
		d.Action, d.Why = Await, "what it took the place of is still there"
	case !occupies(*d.Have):
		d.Why = fmt.Sprintf("is stopped, and stays so; `fairlead accessory start %s` starts it", u.Accessory)
	case u.Route != nil && !h.Serves(*u.Route, *d.Have):
		d.Action, d.Why = Serve, "the proxy does not send it its requests"
	}
	return d
}

// stays says why one that differs is not replaced, and what would do it.
func (d Decision) stays(t Terms) string {
	why := "differs: " + said(d.Changes)
	if path := d.Have.Nameless(); path != "" && t.Replace {
		return fmt.Sprintf("%s; it stays, for its data at %s is in a volume without a name, which another container would not have; "+
			"mount that from directories: or volumes:, or `fairlead accessory reboot %s` begins anew", why, path, d.Unit.Accessory)
	}
	return fmt.Sprintf("%s; it stays until `fairlead accessory reboot %s`, or a push where fairlead.yml says allow: [accessories]", why, d.Unit.Accessory)
}

// said names the first fields that differ.
func said(changes []container.Change) string {
	var parts []string
	for _, c := range changes[:min(len(changes), 3)] {
		part := c.Field
		if c.Was != "" || c.Want != "" {
			part += fmt.Sprintf(" %s → %s", orNothing(c.Was), orNothing(c.Want))
		}
		parts = append(parts, part)
	}
	if more := len(changes) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

// differences are the fields in which a container is not as wanted, without
// those that say only where it came from.
func differences(u Unit, have container.Observed) []container.Change {
	_, told := have.Spec.Env[hostVariable]
	changes := slices.DeleteFunc(have.Diff(u.Spec, func(name string) bool { return u.Clear[name] }), func(c container.Change) bool {
		return strings.HasPrefix(c.Field, "labels.fairlead.") || c.Field == "env."+hostVariable && !told
	})
	return append(changes, rewritten(u, have)...)
}

// failing tells whether a container has ended by itself, or is unhealthy. The
// restart policy may just have started it again.
func failing(s container.State) bool {
	return s.Status == container.Restarting || s.RestartCount > 0 || s.Health == container.Unhealthy || s.Status == container.Exited && s.ExitCode != 0
}

// occupies tells whether a container runs or will run again by itself.
func occupies(c container.Observed) bool {
	return c.State.IsUp() || c.State.Status == container.Restarting
}

// Plan is what is done about all units, and what is to be told of the others.
type Plan struct {
	Stages  []plan.Stage // one per accessory, in the file's order
	Changes []release.Change
	// Notes tell of what is not as deploy.yml says and stays, a sentence each.
	Notes []string
}

// Make decides about all units whose hosts were read.
func Make(units []Unit, o plan.Observed, t Terms) Plan {
	var p Plan
	at := map[string]int{}
	booted := map[string]bool{} // proxies
	for _, u := range units {
		h, read := o.Hosts[u.Host]
		if !read || h.Err != nil {
			continue
		}
		d := Decide(u, h, t)
		if d.Action == Keep {
			if d.Why != "" {
				p.Notes = append(p.Notes, fmt.Sprintf("%s on %s %s", u.Role, u.Host, d.Why))
			}
			continue
		}
		i, ok := at[u.Accessory]
		if !ok {
			i = len(p.Stages)
			at[u.Accessory] = i
			p.Stages = append(p.Stages, plan.Stage{Name: plan.StageBeside, Steps: map[string][]plan.Step{}})
		}
		p.Stages[i].Steps[u.Host] = steps(d, h, booted)
		p.Changes = append(p.Changes, d.shown()...)
	}
	return p
}

// shown are a decision's changes as people see them.
func (d Decision) shown() []release.Change {
	one := release.Change{Host: d.Unit.Host, Role: d.Unit.Role, Step: string(d.Action) + " accessory"}
	if d.Action != Replace || len(d.Changes) == 0 {
		one.Field, one.Want = "state", d.Why
		return []release.Change{one}
	}
	var list []release.Change
	for _, c := range d.Changes {
		one.Field, one.Was, one.Want = c.Field, c.Was, c.Want
		list = append(list, one)
	}
	return list
}

// steps are how a decision is carried out. Nothing runs twice on the same data:
// what had the name is stopped before another starts.
func steps(d Decision, h plan.Host, booted map[string]bool) []plan.Step {
	u := d.Unit
	ref := plan.Ref{Name: u.Name}
	var list []plan.Step
	if d.Action == Replace && d.failing { // engines rename none in between two starts
		list = append(list, plan.Stop{Ref: plan.Ref{ID: d.Have.ID, Name: d.Have.Name}, Timeout: u.StopTimeout, Why: "keeps ending"})
	}
	if d.Action == Boot || d.Action == Replace {
		if u.Spec.Network == plan.Network {
			list = append(list, plan.MakeNetwork{})
		}
		list = append(list, plan.Pull{Image: u.Image})
		if len(u.Mounted) > 0 {
			list = append(list, plan.PutFiles{Files: u.Mounted, Unit: u.Unit})
		}
		create := plan.Create{Unit: u.Unit}
		if d.Have != nil {
			create.Replaces = &plan.Ref{ID: d.Have.ID, Name: d.Have.Name}
		}
		list = append(list, create)
	} else {
		ref.ID = d.Have.ID
	}
	var prune plan.Prune
	for _, c := range d.Spent {
		prune.Remove = append(prune.Remove, plan.Ref{ID: c.ID, Name: c.Name})
	}
	former := d.Former
	if d.Action == Replace {
		former = append(slices.Clone(former), *d.Have)
	}
	for _, c := range former {
		old := plan.Ref{ID: c.ID, Name: c.Name}
		list = append(list, plan.Stop{Ref: old, Timeout: u.StopTimeout, Why: "replaced"})
		if c.Nameless() == "" {
			prune.Remove = append(prune.Remove, old)
		}
	}
	if d.Action == Boot || d.Action == Replace || d.Action == Start {
		list = append(list, plan.Start{Unit: u.Unit, Ref: ref})
	}
	if d.Action != Serve {
		list = append(list, plan.Await{Unit: u.Unit, Ref: ref, Up: d.Action == Await})
	}
	list = append(list, serve(u, ref, h, booted)...)
	if len(prune.Remove) > 0 {
		list = append(list, prune)
	}
	return list
}

// serve are the steps by which a proxied accessory gets its requests.
func serve(u Unit, ref plan.Ref, h plan.Host, booted map[string]bool) []plan.Step {
	if u.Route == nil {
		return nil
	}
	var list []plan.Step
	if !h.Proxy.Running && !booted[u.Host] {
		booted[u.Host] = true
		list = append(list, plan.MakeNetwork{}, plan.BootProxy{Run: u.Proxy, Present: h.Proxy.Present})
	}
	if len(u.Files) > 0 {
		list = append(list, plan.PutFiles{Files: u.Files, Strict: h.Proxy.Ours || !h.Proxy.Present})
	}
	return append(list, plan.Switch{Unit: u.Unit, Ref: ref, Route: *u.Route})
}
