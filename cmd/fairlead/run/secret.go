package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// maxSecret bounds a value, in bytes.
const maxSecret = 64 << 10

func newSecret() *cobra.Command {
	cmd := command.Group(&cobra.Command{
		Use:        "secret",
		Short:      "Set, list and remove a repository's secrets",
		SuggestFor: []string{"secrets", "env"},
		Long: "Secret edits the file that `secrets: { file: PATH }` of a repository in\n" +
			"fairlead.yml names. Values are never printed, and never taken from arguments,\n" +
			"which every user of the machine could see.\n\n" +
			"  fairlead secret set DATABASE_URL\n" +
			"  fairlead secret list\n\n" +
			"Exit status: 0, or 1 when it could not be done.",
	}, newSecretSet(), newSecretList(), newSecretUnset())
	cmd.PersistentFlags().StringP("repository", "r", "", "the repository (may be left out where there is only one)")
	return cmd
}

func newSecretSet() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME",
		Short: "Set a secret to what is typed, or comes from stdin",
		Long: `Set asks for the value without showing it, or reads it from stdin, where one line
end at the end does not belong to it. The file is replaced as a whole, mode 0600.

  fairlead secret set DATABASE_URL
  openssl rand -hex 32 | fairlead secret set SECRET_KEY_BASE -r shop

Exit status: 0 when it is set, 1 when not.`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			repo, ed, err := editor(cmd)
			if err != nil {
				return err
			}
			v, err := readSecret(cmd, args[0])
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(ed.Path), 0o700); err != nil {
				return fmt.Errorf("make the folder of secrets: %w", err)
			}
			if err := ed.Set(args[0], v); err != nil {
				return err
			}
			return command.Say(cmd, fmt.Sprintf("%s is set in %s; the next rollout uses it: `fairlead deploy %s`\n", args[0], ed.Path, repo))
		},
	}
}

// oneName takes a name, and no value with it; what may be a value is not
// repeated.
func oneName(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return command.Hint("write `fairlead secret set NAME`", "no name is given")
	case len(args) > 1 || strings.Contains(args[0], "="):
		return command.Hint("give the name alone and answer the prompt, or pipe the value in; change the secret if others use this machine",
			"a value on the command line can be seen by every user of this machine, and stays in the shell's history")
	}
	return nil
}

func newSecretList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the names of the secrets",
		Long: `List prints the names in the file, sorted, never a value.

  fairlead secret list -r shop

Exit status: 0, or 1 when the file cannot be read.`,
		Args: cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, ed, err := editor(cmd)
		if err != nil {
			return err
		}
		names, err := ed.List()
		switch {
		case err != nil:
			return err
		case *asJSON:
			return command.SayJSON(cmd, append([]string{}, names...))
		case len(names) == 0:
			return command.Say(cmd, fmt.Sprintf("%s holds no secret; `fairlead secret set NAME` adds one\n", ed.Path))
		}
		return command.Say(cmd, strings.Join(names, "\n")+"\n")
	}
	return cmd
}

func newSecretUnset() *cobra.Command {
	return &cobra.Command{
		Use:   "unset NAME",
		Short: "Remove a secret",
		Long: `Unset removes a secret from the file. Containers that run keep it until they are
replaced.

  fairlead secret unset DATABASE_URL

Exit status: 0 when it is removed, 1 when there is none.`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			_, ed, err := editor(cmd)
			if err != nil {
				return err
			}
			removed, err := ed.Unset(args[0])
			if err != nil {
				return err
			}
			if !removed {
				return command.Hint("`fairlead secret list` shows those that are", "%s is not in %s", args[0], ed.Path)
			}
			return command.Say(cmd, fmt.Sprintf("%s is removed from %s\n", args[0], ed.Path))
		},
	}
}

// editor opens the secrets file of the repository that is meant.
func editor(cmd *cobra.Command) (string, secret.Editor, error) {
	conf, err := command.Operator(cmd)
	if err != nil {
		return "", secret.Editor{}, err
	}
	if conf == nil {
		return "", secret.Editor{}, command.Hint("name it with --config; in a checkout without one, .kamal/secrets says where they are: NAME=$NAME, or NAME=$(cat FILE)", "there is no fairlead.yml that says where secrets are")
	}
	name, err := cmd.Flags().GetString("repository")
	if err != nil {
		return "", secret.Editor{}, err
	}
	name, r, err := command.Repository(conf, name)
	if err != nil {
		return "", secret.Editor{}, err
	}
	if r.Secrets.File == "" {
		return "", secret.Editor{}, command.Hint(fmt.Sprintf("add `secrets: { file: secrets/%s.env }` to repositories.%[1]s in fairlead.yml", name),
			"repository %s has no secrets file", name)
	}
	return name, secret.Editor{Path: r.Secrets.File}, nil
}

// readSecret asks on a terminal, without echo, or reads stdin.
func readSecret(cmd *cobra.Command, name string) (secret.Value, error) {
	var data []byte
	var err error
	if f, ok := cmd.InOrStdin().(*os.File); ok && command.IsTerminal(f) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "Value of %s (is not shown): ", name)
		data, err = readUnseen(cmd.Context(), int(f.Fd()))
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
	} else if data, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxSecret+1)); err == nil {
		data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	}
	switch {
	case err != nil:
		return secret.Value{}, fmt.Errorf("read the value: %w", err)
	case len(data) == 0:
		return secret.Value{}, errors.New("the value is empty; nothing was changed")
	case len(data) > maxSecret:
		return secret.Value{}, fmt.Errorf("the value is longer than %d bytes; nothing was changed", maxSecret)
	}
	return secret.New(string(data)), nil
}

// readUnseen reads a line without echo. Ctrl-C gives the terminal its echo back;
// the read itself then ends with the program.
func readUnseen(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(command.ExitError(command.ExitInterrupted), term.Restore(fd, before))
	}
}
