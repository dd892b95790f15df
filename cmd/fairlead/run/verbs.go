// Package run is the verbs that set the daemon up and run it, on the machine
// where it lives.
//
// One file per verb: its flags, help and exit status. What they do is
// internal/setup's and the daemon's.
package run

import "github.com/spf13/cobra"

// Verbs are all of them.
func Verbs() []*cobra.Command {
	return []*cobra.Command{
		newWatch(), newSecret(), newNotify(), newHook(), newHealth(), newVersion(), newInstall(), newUninstall(), newRepo(), newKey(),
		newCheck(), newDoctor(), newInit(), newSchema(),
	}
}
