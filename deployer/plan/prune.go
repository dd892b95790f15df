package plan

import (
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// surplus returns what a unit has beyond what is retained: of the containers
// that worked the newest Retain stay for rollbacks, of those that failed the newest one,
// because it tells why. The one that does the work, and any that runs, stays.
// An image goes with the last container of its version.
func surplus(d Desired, o Observed, dec decision) (Prune, bool) {
	var p Prune
	worked, failed := 0, 0
	for _, c := range o.Of(d.Lane, dec.unit.Key()) {
		n, limit := &worked, d.Policy.Retain
		if !d.worked(c) {
			n, limit = &failed, 1
		}
		if c.ID == dec.ref().ID {
			continue
		}
		if *n++; *n <= limit || occupies(c) {
			continue
		}
		p.Remove = append(p.Remove, Ref{ID: c.ID, Name: c.Name})
	}
	p.Images = d.unused(o, dec.unit.Host, p.Remove)
	return p, len(p.Remove) > 0
}

// worked tells whether a container is one to roll back to: any that is not
// known to have failed, for another installation, or one whose memory was lost,
// may have started it.
func (d Desired) worked(c container.Observed) bool {
	return !slices.Contains(d.Policy.Failed, c.Spec.Labels[LabelRelease])
}

// unused returns the image tags that no container on the host will need once
// these are removed.
func (d Desired) unused(o Observed, host string, gone []Ref) []string {
	needed := map[string]bool{d.Version: true}
	var tags []string
	for _, c := range o.Hosts[host].Containers {
		if !slices.ContainsFunc(gone, func(r Ref) bool { return r.ID == c.ID }) {
			needed[VersionOf(d.Lane, c)] = true
		}
	}
	for _, c := range o.Hosts[host].Containers {
		v := VersionOf(d.Lane, c)
		tag := d.Image.Name + ":" + v
		if !needed[v] && v != "" && !slices.Contains(o.Hosts[host].Others, tag) {
			needed[v] = true
			tags = append(tags, tag)
		}
	}
	return tags
}

// proven tells whether a container is of a release that is known to have
// worked, or of somebody's before Fairlead.
func (d Desired) proven(c container.Observed) bool {
	id := c.Spec.Labels[LabelRelease]
	return id == "" || slices.Contains(d.Policy.Good, id)
}
