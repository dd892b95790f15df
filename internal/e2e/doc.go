// Package e2e holds no code but tests: the built program, as a process, with
// real Git servers, registries, sshds and engines (internal/fleet) on the other
// side, and visitors who count every request that fails (internal/fleet/actor).
// What a scenario claims is read from the hosts' engines, from HTTP answers and
// from the signed webhook; never from Fairlead's own log or store, but to show
// that a secret is not in them.
//
// Lives here: scenarios that a user could live through. May not live here: what
// a faster test can show.
package e2e
