package command

import (
	"slices"
	"strings"

	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/daemon"
)

// Aliased puts what deploy.yml's aliases: say in the place of a first word that
// is no command; the other words stay behind it. It reads deploy.yml only then,
// and of a checkout that cannot be read it knows none.
func Aliased(root *cobra.Command, args []string) []string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[0], "__") || args[0] == "completion" {
		return args
	}
	if slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == args[0] || c.HasAlias(args[0]) }) {
		return args
	}
	checkout, err := daemon.OpenCheckout(".", flagValue(args, "-c", "--config-file"), flagValue(args, "-d", "--destination"))
	if err != nil {
		return args
	}
	defer checkout.Close()
	words, err := shellwords.Parse(checkout.Deploy.Aliases[args[0]])
	if err != nil || len(words) == 0 {
		return args
	}
	return append(words, args[1:]...)
}

// flagValue is what stands behind a flag, before any command has read them.
func flagValue(args []string, letter, name string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
		if (a == letter || a == name) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
