package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Group makes a command that only has others below it.
func Group(cmd *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs // Finish sees to them
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return stranger(cmd, args[0])
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// stranger says that a group has no such verb, and what may have been meant.
func stranger(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2
	near := cmd.SuggestionsFor(word)
	if len(near) == 0 {
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				near = append(near, c.Name())
			}
		}
	}
	for i, name := range near {
		near[i] = "`" + cmd.CommandPath() + " " + name + "`"
	}
	return Hint("there is "+strings.Join(near, ", "), "there is no `%s %s`", cmd.CommandPath(), word)
}

// Finish makes the whole tree speak alike of what was typed wrong. It is
// called once all verbs are in it.
func Finish(root *cobra.Command) {
	root.SetFlagErrorFunc(misspelt)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		show := help.Run
		help.Run, help.RunE = nil, func(cmd *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = stranger(found, rest[0])
			}
			if err == nil {
				show(cmd, args)
			}
			return err
		}
	}
	finish(root)
}

func finish(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		finish(c)
	}
	check := cmd.Args
	if check == nil || !cmd.Runnable() {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || explained(err).Hint != "" && !strings.HasPrefix(err.Error(), "unknown command") {
			return err
		}
		if slices.ContainsFunc(args, func(word string) bool { return strings.HasSuffix(word, ".yml") || strings.HasSuffix(word, ".yaml") }) {
			return Hint(configHint, "%s", miscounted(cmd, args))
		}
		return Hint(usage(cmd), "%s", miscounted(cmd, args))
	}
}

// usage is how a command is written, as a hint.
func usage(cmd *cobra.Command) string {
	line := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	return fmt.Sprintf("write `%s`; `%s --help` has examples", line, cmd.CommandPath())
}

// miscounted says what is wrong with the number of words after a command.
func miscounted(cmd *cobra.Command, args []string) string {
	most := len(strings.Fields(strings.ReplaceAll(cmd.Use, " | ", "|"))) - 1
	if strings.Contains(cmd.Use, "...") || len(args) <= most {
		return fmt.Sprintf("`%s` needs a word more", cmd.CommandPath())
	}
	if most == 0 {
		return fmt.Sprintf("`%s` takes no word after it, and there is %q", cmd.CommandPath(), args[0])
	}
	return fmt.Sprintf("one word too many: %q", args[len(args)-1])
}

const configHint = "fairlead.yml is named with --config PATH"

// misspelt explains a flag that the command does not have.
func misspelt(cmd *cobra.Command, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "shorthand flag: 'f'"):
		return Hint(configHint, "`%s` has no -f", cmd.CommandPath())
	case strings.HasPrefix(text, "unknown flag: --"):
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "unknown flag: --"), "=")
		if near := nearFlag(cmd, name); near != "" {
			return Hint("did you mean --"+near+"? `"+cmd.CommandPath()+" --help` lists all", "`%s` has no --%s", cmd.CommandPath(), name)
		}
		return Hint("`"+cmd.CommandPath()+" --help` lists those that it has", "`%s` has no --%s", cmd.CommandPath(), name)
	}
	text, _, _ = strings.Cut(text, ": strconv.") // Go's own words tell nothing more
	return Hint("`"+cmd.CommandPath()+" --help` tells what it takes", "%s", text)
}

// nearFlag is the flag that was meant, "" where none is near.
func nearFlag(cmd *cobra.Command, typed string) string {
	var names []string
	for _, name := range flagNames(cmd) {
		if strings.HasPrefix(name, typed) && len(typed) > 1 || distance(name, typed) <= 2 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.MinFunc(names, func(a, b string) int { return distance(a, typed) - distance(b, typed) })
}

// flagNames are those of a command, and of the commands above it.
func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

// distance counts the letters to add, remove or change to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
