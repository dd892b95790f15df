// Package fleettest is a fleet that exists only in memory, for tests of the
// deployer inside testing/synctest bubbles: hosts with containers, images,
// networks, a reverse proxy and files; a registry; what a daemon remembers;
// and the faults that all of these have.
//
//	World ── Host, Host, … , registry, Memory      survives a crash
//	  └── Process                                  one daemon's hands on it
//
// Every call of a Process takes time and may fail: before it had an effect,
// after (a lost reply), or by silence. Which, depends only on the seed, the
// host, the call and how often it was made before, so that the order in which
// goroutines run changes nothing. A Process can be made to die before or after
// any of its effects; its later calls do nothing.
//
// After every effect the World checks the safety rules (rules.go) and keeps
// what broke them in Violations.
//
// Lives here: the fake and its rules. May not live here: scenarios; package
// sim has them.
package fleettest
