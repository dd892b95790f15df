// Package load holds no code but tests: visitors who never stop asking, over
// kept and new connections, while releases go live and go back on real hosts.
// Not one request may fail.
//
//	make load
//
// Lives here: traffic, its figures, and what must not disturb it. May not live
// here: other faults (internal/chaos), and checks of behaviour (internal/e2e).
package load
