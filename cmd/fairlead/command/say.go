package command

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
)

// IsTerminal tells whether a reader or writer of a command is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Style is how a command's output may look (https://no-color.org).
func Style(cmd *cobra.Command) show.Style {
	return show.Style{Colour: IsTerminal(cmd.OutOrStdout()) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// Say prints text as it is.
func Say(cmd *cobra.Command, text string) error {
	_, err := fmt.Fprint(cmd.OutOrStdout(), text)
	return err
}

// SayJSON prints a value for programs, indented.
func SayJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// SayLine prints a value for programs in one line (https://jsonlines.org).
func SayLine(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Warn prints a warning on stderr.
func Warn(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintln(cmd.ErrOrStderr(), show.Style{}.Warning(fmt.Sprintf(format, args...)))
}

// JSONFlag adds --json.
func JSONFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON, for programs")
}

// DestinationFlag adds -d.
func DestinationFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("destination", "d", "", "the destination, such as staging")
}

// SkipHooks adds -H, with which no hook runs.
func SkipHooks(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("skip-hooks", "H", false, "run no hooks")
}

// Actor is who asks, for the history: the person behind sudo, too.
func Actor() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "someone"
}
