package fleettest

import (
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest/disk"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// accessory is the one that a container is of, "" for none: what has a service
// alone.
func (b *box) accessory() string {
	l := b.spec.Labels
	if l[plan.LabelRole] != "" || l[labelHook] != "" {
		return ""
	}
	return l[plan.LabelService]
}

// single is the rule that no two containers of one accessory run at once (P8):
// both would write to its data.
func (h *Host) single(call string) {
	up := map[string]string{}
	for _, b := range h.containers {
		name := b.accessory()
		if name == "" || !b.up || !strings.HasPrefix(call, "start ") {
			continue
		}
		if other := up[name]; other != "" {
			h.w.violate("P8: %s and %s on %s have the data of %s at once", b.name, other, h.Name, name)
		}
		up[name] = b.name
	}
}

// Beside returns the images of an accessory's containers by their names; those
// that do not run with a mark behind.
func (h *Host) Beside(service string) map[string]string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	all := map[string]string{}
	for _, b := range h.containers {
		if b.accessory() != service {
			continue
		}
		if all[b.name] = b.spec.Image; !b.up {
			all[b.name] += " (does not run)"
		}
	}
	return all
}

// Put puts a file on the host, with its folder, as a program that runs there
// does.
func (h *Host) Put(folder, name, content string) {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	h.files.MkdirAll(folder)
	h.files[folder+"/"+name] = disk.File{Content: []byte(content)}
}
