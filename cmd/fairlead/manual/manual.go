// Package manual makes man pages of the verbs, from the same tree as their help.
//
// Lives here: how a page looks, in man(7)'s words. May not live here: what a
// verb does, which its help says.
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
)

// New makes the verb that shows and writes pages.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use: "man [VERB …]", Short: "Show the manual page of a verb, or write all of them",
		Long: `Man prints the page of a verb as man(7) has it, for man to show; without a verb that
of fairlead. With --dir it writes all pages, which the packages have already.

  fairlead man app exec | man -l -
  fairlead man --dir /usr/local/share/man/man1

Exit status: 0, or 1 when there is no such verb or a page cannot be written.`,
	}
	dir := cmd.Flags().String("dir", "", "the folder to write all pages to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *dir != "" && len(args) > 0 {
			return command.Hint("leave one of them out", "--dir writes the pages of all verbs, not of %s alone", strings.Join(args, " "))
		}
		if *dir != "" {
			return write(cmd.Root(), *dir)
		}
		found, rest, err := cmd.Root().Find(args)
		if err != nil || len(rest) > 0 {
			return command.Hint("`fairlead help` lists the verbs", "there is no verb %s", strings.Join(args, " "))
		}
		return command.Say(cmd, Page(found))
	}
	return cmd
}

func write(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write manual: %w", err)
	}
	for _, cmd := range Verbs(root) {
		if err := os.WriteFile(filepath.Join(dir, Name(cmd)+".1"), []byte(Page(cmd)), 0o644); err != nil {
			return fmt.Errorf("write manual: %w", err)
		}
	}
	return nil
}

// Verbs are a command and all below it that people are shown.
func Verbs(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, Verbs(c)...)
		}
	}
	return list
}

// Name is that of a verb's page, without section: "fairlead-app-exec".
func Name(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// Page is the manual page of a verb.
func Page(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH \"%s\" 1 \"\" \"Fairlead %s\" \"Fairlead Manual\"\n", strings.ToUpper(text(Name(cmd))), text(cmd.Root().Version))
	b.WriteString(".\\\" drawn from `fairlead help`\n.nh\n.ad l\n")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", text(Name(cmd)), text(cmd.Short))
	b.WriteString(".SH SYNOPSIS\n")
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, ".B %s\n.I COMMAND\n[flags]\n", text(cmd.CommandPath()))
	} else {
		words := strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())
		fmt.Fprintf(&b, ".B %s\n%s\n", text(cmd.CommandPath()), text(strings.TrimSpace(words)))
	}
	b.WriteString(".SH DESCRIPTION\n")
	b.WriteString(prose(cmd.Long))
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + prose(cmd.Example))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", text(c.Name()), text(c.Short))
			}
		}
	}
	flags(&b, "OPTIONS", cmd.NonInheritedFlags())
	flags(&b, "OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	var also []string
	if cmd.HasParent() {
		also = append(also, Name(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			also = append(also, Name(c))
		}
	}
	if len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, name := range also {
			comma := ","
			if i == len(also)-1 {
				comma = ""
			}
			fmt.Fprintf(&b, ".BR %s (1)%s\n", text(name), comma)
		}
	}
	return b.String()
}

func flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		word, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" && f.ShorthandDeprecated == "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if word != "" {
			word = " " + strings.ToUpper(word)
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR%s\n%s\n", text(name), text(word), text(usage))
	})
}

// prose is help as a page: what is indented stays as it is, all else flows.
func prose(help string) string {
	var b strings.Builder
	literal := false
	for line := range strings.Lines(strings.TrimRight(help, "\n") + "\n") {
		line = strings.TrimRight(line, "\n")
		indented := strings.HasPrefix(line, "  ")
		switch {
		case indented && !literal:
			b.WriteString(".PP\n.nf\n.RS 2\n")
		case !indented && literal:
			b.WriteString(".RE\n.fi\n")
		}
		literal = indented
		switch {
		case indented:
			b.WriteString(text(strings.TrimPrefix(line, "  ")) + "\n")
		case line == "":
			b.WriteString(".PP\n")
		default:
			b.WriteString(text(line) + "\n")
		}
	}
	if literal {
		b.WriteString(".RE\n.fi\n")
	}
	return strings.ReplaceAll(b.String(), ".PP\n.PP\n", ".PP\n")
}

// text is a text without meaning to roff: one that begins with a dot or an
// apostrophe would be a request, and a bare dash a hyphen that nobody can copy.
func text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "…", "...", "→", `\(->`, "~", `\(ti`, "^", `\(ha`, `"`, `\(dq`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
