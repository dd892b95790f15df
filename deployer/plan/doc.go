// Package plan decides. From what should run (Desired) and what runs
// (Observed) it makes the steps between them (Plan), each with its reason, and
// from a half-done rollout the steps back (Back).
//
// It is pure: no I/O, no clock, no goroutine, no randomness, so that the same
// two values give the same plan on every machine. Reading hosts belongs to
// package observe, doing the steps to package rollout.
package plan
