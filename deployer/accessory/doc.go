// Package accessory decides about the databases, caches and the like that run
// beside a service: what deploy.yml wants of each on each of its hosts (Want),
// and what is done about what runs there (Make), with the reason.
//
//	absent                          → boot
//	differs, and may be replaced    → replace
//	differs                         → stays, and is told of with the field
//	runs as wanted                  → stays
//	stopped by a person             → stays, and is told of
//
// What an accessory holds is not to be lost to a push: it is replaced only
// where the operator allows that (allow: [accessories] in fairlead.yml) or a
// person asks for it, and never where its data would go with its container. A
// container that somebody else started, Kamal too, is one's own where nothing
// differs. Steps are those of package plan, done by package rollout, before the
// roles' own.
//
// Lives here: these decisions. They are pure. May not live here: any effect;
// what people ask for (verbs); backups (backup).
package accessory
