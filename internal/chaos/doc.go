// Package chaos holds no code but tests: each row is one thing that can go
// wrong, done to the built program and to real hosts, and what has to come of
// it. After each row the service has to follow Git again.
//
//	make chaos
//
// The rows are also the table in docs/reliability.md, which `make chaos` writes.
//
// Lives here: faults, and what a person may expect of each. May not live here:
// what a faster test can show (deployer/sim), checks of behaviour without a
// fault (internal/e2e), load (internal/load).
package chaos
