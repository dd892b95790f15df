// Package command is what the verbs of the command line share: finding the
// daemon, or the checkout where there is none, the flags that mean the same
// everywhere, how things are said, and the exit statuses.
//
// Lives here: what two groups of verbs need. May not live here: a verb (its
// group's folder has it), how an answer looks (show), behaviour (daemon).
package command

import "github.com/spf13/cobra"

// Version is this program's, as package main was told at build time.
func Version(cmd *cobra.Command) string { return cmd.Root().Version }
