// Package act is the verbs that order what runs on the servers.
//
// One file per verb: its flags, help and exit status. The daemon carries an
// order out, or, without one, daemon.Local.
package act

import "github.com/spf13/cobra"

// Verbs are all of them.
func Verbs() []*cobra.Command {
	return []*cobra.Command{newDeploy(), newRetry(), newResume(), newHold()}
}
