package command_test

import (
	"os"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
)

func TestOutputHasColoursOnATerminalOnlyAndWhereTheyAreWanted(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	from, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer pipe.Close()
	for _, c := range []struct {
		name          string
		out           *os.File
		noColor, term string
		want          bool
	}{
		{"a terminal", terminal, "", "xterm", true},
		{"a terminal of a person who wants none", terminal, "1", "xterm", false},
		{"a terminal that knows none", terminal, "", "dumb", false},
		{"a pipe", pipe, "", "xterm", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			t.Setenv("TERM", c.term)
			cmd := &cobra.Command{}
			cmd.SetOut(c.out)
			if got := command.Style(cmd).Colour; got != c.want {
				t.Errorf("colours: %t, want %t", got, c.want)
			}
		})
	}
}
