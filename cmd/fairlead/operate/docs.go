package operate

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
)

//go:embed docs.txt
var reference string

// section is a part of the reference.
type section struct{ name, text string }

// sections reads the reference: each begins with its name, alone in small
// letters behind "# " after an empty line.
func sections(text string) []section {
	var all []section
	for part := range strings.SplitSeq("\n"+text, "\n\n# ") {
		name, body, _ := strings.Cut(strings.TrimPrefix(part, "\n# "), "\n")
		all = append(all, section{name, strings.TrimSpace(body) + "\n"})
	}
	return all
}

func newDocs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "docs [SECTION]", Short: "Show what can be written in deploy.yml",
		Long: `Docs shows deploy.yml by example, all of it or one section. docs/kamal.md says of
every key what becomes of it.

  fairlead docs
  fairlead docs proxy

Exit status: 0, or 1 when there is no such section.`,
		Args: cobra.MaximumNArgs(1),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		all := sections(reference)
		name := command.First(args)
		if name == "" {
			return command.Say(cmd, reference)
		}
		i := slices.IndexFunc(all, func(s section) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			return command.Hint("there are "+strings.Join(names, ", "), "there is no section %s", name)
		}
		return command.Say(cmd, all[i].text)
	}
	return cmd
}
