// Package health finds out whether a container works: it waits for a new one
// (Await), and looks at a live one (Check). What it says of a container that
// does not work is complete: exit code, out-of-memory kill, each distinct
// answer of the probes with its count, the last lines of the log.
//
// Lives here: probing and the tally of answers. May not live here: what to do
// about it; package rollout goes back, package plan decides.
package health
