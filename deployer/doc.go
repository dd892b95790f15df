// Package deployer makes servers match a commit. Submit puts a revision into
// the lane of its service and destination; a lane works on one thing at a
// time, always on the newest, and for each goes the way
//
//	read deploy.yml → secrets, image → observe → plan → lock → roll out → watch
//
// ending in a release.Status. What fails on its own account goes back on every
// host and is quarantined; what fails for the world's sake waits and is tried
// again. After a crash a lane observes and plans as always: a release that was
// under way is recognised by what runs, and finished or taken back.
//
// Lives here: lanes, holds, first contact, retries, the wiring of the
// sub-packages below. May not live here: what a step is (plan), how one is
// done (rollout), Git, messages, the database.
package deployer
