// Package look is the verbs that tell how things stand and change nothing.
//
// One file per verb: its flags, help and exit status. How an answer looks is
// package show's.
package look

import "github.com/spf13/cobra"

// Verbs are all of them.
func Verbs() []*cobra.Command {
	return []*cobra.Command{newPlan(), newHistory(), newExplain(), newEvents(), newConfig()}
}
