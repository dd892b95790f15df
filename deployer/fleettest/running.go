package fleettest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/release"
)

// Unit is a container that runs for a role, with its route: all that decides
// how it behaves, without what tells one container from the next (id, times,
// and the labels of the release that made it).
type Unit struct {
	Spec  container.Spec
	Route string // its options, as JSON; "" where none leads to it
}

// Differs returns the names of what is not alike, by their fields. No value is
// told: some are secret.
func (u Unit) Differs(other Unit) (fields []string) {
	a, b := reflect.ValueOf(u.Spec), reflect.ValueOf(other.Spec)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			fields = append(fields, a.Type().Field(i).Name)
		}
	}
	if u.Route != other.Route {
		fields = append(fields, "the route")
	}
	return fields
}

// RunningNow returns what runs of a service's roles, newest first; of a role
// with a route only its target, where that runs. It is for who is called by the
// Memory, under the world's lock.
func (h *Host) RunningNow(service string) map[string][]Unit {
	units := map[string][]Unit{}
	boxes := slices.SortedFunc(maps.Values(h.containers), func(a, b *box) int { return b.created.Compare(a.created) })
	for _, b := range boxes {
		role := b.spec.Labels[plan.LabelRole]
		if !b.up || b.spec.Labels[plan.LabelService] != service || role == "" {
			continue
		}
		to, routed := h.routes[service+"-"+role]
		if routed && to.id != b.id {
			continue
		}
		u := Unit{Spec: b.spec}
		u.Spec.ImageDigest = b.digest
		u.Spec.Labels = maps.Clone(b.spec.Labels)
		delete(u.Spec.Labels, plan.LabelRelease)
		delete(u.Spec.Labels, plan.LabelRevision)
		if text, err := json.Marshal(to.route); err == nil && routed {
			u.Route = string(text)
		}
		units[role] = append(units[role], u)
	}
	return units
}

// OriginNow returns the release whose containers a release brought back, "" for
// none. It is for who is called by the Memory, under the world's lock.
func (m *Memory) OriginNow(id release.ID) release.ID {
	var k record.Kept
	if body := m.configs[id]; body != nil && json.Unmarshal(body, &k) != nil {
		m.w.violate("P6: what %s was made of cannot be read", id)
	}
	return k.Origin
}
