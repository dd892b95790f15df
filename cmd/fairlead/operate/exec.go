package operate

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/mattn/go-shellwords"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newExec() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exec COMMAND...",
		Short: "Run a command in the service's containers",
		Long: `Exec runs a command on every role and host at once: each time in a new container
made as the running one was (its image, environment, network and volumes), which
is removed at the end, or with --reuse in the one that runs.

  fairlead app exec 'bin/rails db:version'
  fairlead app exec -i 'bin/rails console'
  fairlead app exec --reuse --roles worker ps aux
  fairlead app exec -p 'pg_dump $DATABASE_URL' > dump.sql
  fairlead app exec -i --reuse 'psql' < query.sql

Standard output is the command's alone, byte for byte; where it runs in several
places, each line begins with its place (not with --raw). With -i it runs in the
first place only, with your input, and on a terminal with a terminal.

One word that needs a shell (a pipe, $NAME, *) is run by the container's sh; words
of their own are passed as they are. Flags of the command come after --.

Ctrl-C ends a new container; what --reuse began runs on.

Exit status: the command's, of several the first that is not 0; 1 when it could not
be run, 130 after Ctrl-C.`,
		Args: cobra.MinimumNArgs(1),
	}
	c := choose(cmd).versioned(cmd, "as containers of this version are (default: what runs)")
	var run operation.Command
	cmd.Flags().BoolVar(&run.Reuse, "reuse", false, "in the container that runs")
	cmd.Flags().BoolVarP(&run.Input, "interactive", "i", false, "pass your input on; on a terminal, with a terminal")
	cmd.Flags().BoolVar(&run.Detach, "detach", false, "begin it and do not wait")
	env := cmd.Flags().StringArrayP("env", "e", nil, "a variable, NAME=VALUE; may be repeated")
	raw := cmd.Flags().Bool("raw", false, "no place before the lines")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if run.Argv, err = argv(args); err != nil {
			return err
		}
		if run.Env, err = variables(*env); err != nil {
			return err
		}
		if run.Detach && (run.Input || run.Reuse) {
			return command.Hint("leave it out", "--detach goes with neither -i nor --reuse")
		}
		return c.attend(cmd, operation.Ask{Verb: operation.Exec, Command: &run}, *raw)
	}
	return cmd
}

// argv are the words of a command. One word is a command line; what in it only
// a shell can do is left to the container's.
func argv(args []string) ([]string, error) {
	if len(args) > 1 {
		return args, nil
	}
	if needsShell(args[0]) {
		return []string{"sh", "-c", args[0]}, nil
	}
	p := shellwords.NewParser()
	words, err := p.Parse(args[0])
	if err != nil || len(words) == 0 {
		return nil, command.Hint("close the quotation marks, or pass the words on their own", "the command %q cannot be split into words", args[0])
	}
	return words, nil
}

// needsShell tells whether a command line does more than name words: whether a
// letter that a shell acts on stands outside of single quotes.
func needsShell(line string) bool {
	quote, escaped := rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case r == quote && quote != 0:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case quote != '\'' && strings.ContainsRune("$`", r):
			return true
		case quote == 0 && strings.ContainsRune("|&;<>()*?[]{}~!\n", r):
			return true
		}
	}
	return false
}

// variables reads NAME=VALUE, or NAME:VALUE as Kamal writes it.
func variables(pairs []string) (map[string]string, error) {
	env := map[string]string{}
	for _, pair := range pairs {
		at := strings.IndexAny(pair, "=:")
		if at < 1 {
			return nil, command.Hint("write -e NAME=VALUE", "-e %q has no name and value", pair)
		}
		env[pair[:at]] = pair[at+1:]
	}
	return env, nil
}

// attend runs a command with this terminal's streams.
func (c chosen) attend(cmd *cobra.Command, a operation.Ask, raw bool) error {
	s, err := c.open(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	p := newPrinter(cmd, *c.asJSON)
	p.raw = raw
	who := operation.Caller{Tell: p.tell}
	if a.Command.Input {
		who.In = input(cmd.InOrStdin())
		in, isFile := cmd.InOrStdin().(*os.File)
		if isFile && command.IsTerminal(in) && command.IsTerminal(cmd.OutOrStdout()) {
			a.Command.TTY = true
			restore, sizes, err := terminal(cmd.Context(), in, &a.Command.Size)
			if err != nil {
				return err
			}
			defer restore()
			who.Resize = sizes
		}
	}
	err = s.Operate(cmd.Context(), c.ask(s, a), who)
	return p.end(cmd, err)
}

// input passes standard input on. A read of a terminal cannot be ended, so
// nobody waits for it: the program is about to end then.
func input(from io.Reader) io.ReadCloser {
	in, typed := io.Pipe()
	go func() {
		_, err := io.Copy(typed, from)
		_ = typed.CloseWithError(err)
	}()
	return in
}

// terminal makes every key arrive as it is typed, until restore is called.
func terminal(ctx context.Context, in *os.File, size *operation.Size) (restore func(), sizes <-chan operation.Size, err error) {
	fd := int(in.Fd())
	measure := func() operation.Size {
		cols, rows, err := term.GetSize(fd)
		if err != nil {
			return operation.Size{Rows: 24, Cols: 80}
		}
		return operation.Size{Rows: uint(rows), Cols: uint(cols)}
	}
	*size = measure()
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the terminal: %w", err)
	}
	changed, told := make(chan os.Signal, 1), make(chan operation.Size, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			select { // only the newest counts
			case <-told:
			default:
			}
			told <- measure()
		}
	}()
	return func() {
		signal.Stop(changed)
		cancel()
		<-ended
		_ = term.Restore(fd, before)
	}, told, nil
}
