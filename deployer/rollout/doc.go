// Package rollout does what a plan says. It knows how to do each step once
// and how to see that it is already done; it never decides what to do next.
//
//	stages in order ── gate ── next stage      (Do)
//	live containers ── window ── still good?   (Watch)
//
// Within a stage hosts work side by side, within a host steps go one after
// another. When one host fails, no other begins a further step; what is under
// way is finished, so that nothing is left half-sent. Every effect is written
// to the Journal before it begins, and is begun only while the Guard says that
// the lock is still ours.
//
// Lives here: the doing of steps, the watch, the classing of failures. May not
// live here: planning, locking, retries of a release, SDK types.
package rollout
