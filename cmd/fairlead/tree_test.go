package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// verbs are all commands of ours, the root among them.
func verbs(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, cmd)
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot())
	if len(all) < 25 {
		t.Fatalf("only %d commands are found", len(all))
	}
	return all
}

// A flag that is taken by a command above means the same below, and a letter
// has one meaning along the way from the root to each verb. cobra lets a verb
// take a flag over in silence, which makes `fairlead -f FILE verb` another
// thing than `fairlead verb -f FILE`.
func TestNoFlagHidesOneOfACommandAbove(t *testing.T) {
	for _, cmd := range verbs(t) {
		letters, names := map[string]string{}, map[string]*pflag.Flag{}
		own := func(f *pflag.Flag) {
			if other := letters[f.Shorthand]; f.Shorthand != "" && other != "" && other != f.Name {
				t.Errorf("%s: -%s is --%s and --%s", cmd.CommandPath(), f.Shorthand, f.Name, other)
			}
			if other := names[f.Name]; other != nil && other != f {
				t.Errorf("%s: --%s is there twice", cmd.CommandPath(), f.Name)
			}
			letters[f.Shorthand], names[f.Name] = f.Name, f
		}
		cmd.Flags().VisitAll(own)
		for above := cmd; above != nil; above = above.Parent() {
			above.PersistentFlags().VisitAll(own)
		}
	}
}

// The letters that people know from kamal, docker and tail.
func TestALetterMeansTheSameEverywhere(t *testing.T) {
	known := map[string]string{"f": "follow", "d": "destination", "c": "config-file", "y": "yes", "h": "help"}
	for _, cmd := range verbs(t) {
		look := func(f *pflag.Flag) {
			if want := known[f.Shorthand]; want != "" && f.Name != want {
				t.Errorf("%s: -%s is --%s; everywhere else it is --%s", cmd.CommandPath(), f.Shorthand, f.Name, want)
			}
		}
		cmd.Flags().VisitAll(look)
		cmd.PersistentFlags().VisitAll(look)
	}
}

func TestEveryVerbTeachesByAnExampleAndTellsItsExitStatus(t *testing.T) {
	for _, cmd := range verbs(t) {
		path := cmd.CommandPath()
		if cmd.Name() == "help" { // cobra's
			continue
		}
		if !strings.Contains(cmd.Long, "Exit status: ") && !strings.Contains(cmd.Long, "Exit status of ") {
			t.Errorf("%s: its help tells no exit status", path)
		}
		if !strings.Contains(cmd.Long+"\n"+cmd.Example, path+" ") && !strings.Contains(cmd.Long+"\n"+cmd.Example+"\n", path+"\n") &&
			!strings.Contains(cmd.Long, strings.ReplaceAll(path, " ", `", "`)) { // as in a Dockerfile
			t.Errorf("%s: its help has no example", path)
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its line in the list is %q", path, cmd.Short)
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 84 {
				t.Errorf("%s: a line of its help has %d letters, more than a terminal shows: %s", path, n, line)
			}
		}
	}
}
