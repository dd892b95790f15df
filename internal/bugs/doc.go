// Package bugs checks the checkers: each file of testdata/bugs puts one small,
// likely mistake into Fairlead, and the tests that it names must go red.
//
//	go test ./internal/bugs                        all of them
//	go test ./internal/bugs -v -run /switch-before-health   one, by its file
//
// A file says in a sentence what is wrong, then which tests notice it, then how
// the mistake is made, as a diff:
//
//	An old container is stopped before the new one has its traffic.
//	go test ./deployer/plan -run 'TestPlans'
//
//	--- deployer/plan/plan.go
//	@@
//	 	context
//	-	what is right
//	+	what is wrong
//
// Hunks have no line numbers: what one takes away, with its context, must be in
// the file exactly once, wherever and however indented. One that does not apply any more fails, by
// name; so does one whose code does not compile, and one that nobody notices.
// The changed files are compiled in place of the real ones (go build -overlay),
// so production code carries no trace of any of this.
//
// A bug found later belongs here, with the test that now catches it.
//
// Lives here: the bugs and what runs them. May not live here: the tests that
// catch them; those are beside the code.
package bugs
