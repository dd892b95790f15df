// Package arch holds no code but tests: they keep the house's rules, which
// docs/design.md tells. Who may import whom, which packages are pure, which
// library stops where, and the budgets of files, functions and packages.
//
// It reads the module through `go list`, which the test cache does not see:
// run it with -count=1, as `make lint` and `make test` do.
package arch
