// Package daemon is the only wiring: it reads what fairlead.yml says (package
// daemon/config), makes the rooms with it (watcher, deployer, notify, store),
// ties each to the interfaces that the others declare, and runs them until it
// is told to stop.
//
//	New ── Run ── (Reload)* ── ctx ends ── everything has come to rest
//
// It decides nothing: an if about a release or a host does not belong here.
package daemon
