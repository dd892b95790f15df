package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/assets"
	"github.com/fairlead-deploy/fairlead/deployer/container"
)

type (
	// BridgeAssets puts the assets of a new version and of the one that it takes
	// over from into the volumes of both.
	BridgeAssets struct {
		Place    assets.Place
		Image    string // that has the new ones, on the host
		New, Old string // versions; Old is "" where there is nothing to bridge to
		Kept     bool   // New was extracted when its container was made
		Helper   string // the name of a container that carries them and never starts
	}
	// DropAssets removes those of Roles that no container has any more.
	DropAssets struct {
		Folders []string // relative to the user's home
		Roles   []string
		Keep    []string // names in Folders: ROLE-VERSION
	}
)

func (BridgeAssets) step() {}
func (DropAssets) step()   {}

func (s BridgeAssets) String() string { return "bridge assets of " + s.Place.Role + " " + s.New }
func (s DropAssets) String() string   { return "remove old assets" }

func bridge(d Desired, u Unit, image, version string) BridgeAssets {
	return BridgeAssets{Place: u.Assets, Image: image, New: version, Helper: unitName(d.Lane, u.Role) + "-assets"}
}

// bridges returns what must be done about a unit's assets before its container
// is made or started: where another container hands its requests over, and
// where a container is new.
func (dec decision) bridges(d Desired) (BridgeAssets, bool) {
	u := dec.unit
	s := bridge(d, u, d.Image.Ref(), d.Version)
	switch {
	case u.Assets.Path == "", dec.action != create && dec.action != restart:
		return s, false
	case dec.action == restart && (dec.now == nil || dec.now.ID == dec.match.ID):
		return s, false // it had them all the time
	case dec.action == restart:
		s.Image, s.New, s.Kept = dec.match.Spec.Image, VersionOf(d.Lane, *dec.match), true
	}
	if dec.now != nil {
		s.Old = VersionOf(d.Lane, *dec.now)
	}
	if s.Old == s.New {
		s.Old = ""
	}
	return s, s.New != ""
}

// dropAssets returns what ends the assets on a host of versions that have no
// container once those of gone are removed. It is asked where a role has some,
// or a container.
func dropAssets(d Desired, o Observed, host string, gone []Ref) (DropAssets, bool) {
	place := assets.In("", d.Lane.String(), "", "")
	s, has := DropAssets{Folders: place.Folders()}, false
	for _, u := range d.Units {
		if u.Host == host {
			has = has || u.Assets.Path != ""
			s.Roles, s.Keep = append(s.Roles, u.Role), append(s.Keep, u.Role+"-"+d.Version)
		}
	}
	for _, c := range o.Hosts[host].Containers {
		if !slices.ContainsFunc(gone, func(r Ref) bool { return r.ID == c.ID }) {
			s.Keep = append(s.Keep, c.Spec.Labels[LabelRole]+"-"+VersionOf(d.Lane, c))
		}
		has = has || slices.ContainsFunc(c.Spec.Mounts, func(m container.Mount) bool { return strings.Contains(m.Source, "/"+place.Root+"/") })
	}
	slices.Sort(s.Keep)
	s.Keep, s.Roles = slices.Compact(s.Keep), slices.Compact(slices.SortedFunc(slices.Values(s.Roles), cmp.Compare))
	return s, has
}
