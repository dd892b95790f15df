package release

// Plan is a plan as people and programs see it: what differs, what would be
// done about it, and whether anything stands in the way.
type Plan struct {
	Lane     Lane     `json:"lane"`
	Revision Revision `json:"revision"`
	Version  string   `json:"version"`
	Image    string   `json:"image"`
	Digest   string   `json:"digest,omitempty"`

	Units   []PlannedUnit `json:"units"`
	Changes []Change      `json:"changes"`
	// Steps are what would be done, in order, a line each: "web1: pull …".
	Steps []string `json:"steps"`
	// Waits says why the steps would not be done now: a hold, a quarantine,
	// the first contact, observe mode. Empty when they would.
	Waits string `json:"waits,omitempty"`
	// Orphans run although deploy.yml does not want them any more: "web1: shop-old-v3".
	Orphans []string `json:"orphans,omitempty"`
	// Skipped are hosts that are left out for now, with the reason: "web2: cordoned".
	Skipped []string `json:"skipped,omitempty"`
	// Newer is what is there and would not be put on the servers now: a tag that
	// moved, secrets that changed. A sentence each, with what brings it.
	Newer []string `json:"newer,omitempty"`
	// Hooks would be run: "pre-deploy on web1: bin/rails db:migrate".
	Hooks []string `json:"hooks,omitempty"`
	// Warnings are deploy.yml's: what is read but not acted on.
	Warnings []string `json:"warnings,omitempty"`
}

// PlannedUnit is one role on one host, and how its containers are replaced.
type PlannedUnit struct {
	Host string `json:"host"`
	Role string `json:"role"`
	Kind string `json:"kind"`          // "proxied", "without proxy", "stop-first"
	Why  string `json:"why,omitempty"` // where the kind is not plain
}

// Empty tells that nothing differs.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }
