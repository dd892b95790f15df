package secrets

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/adapter"
	"github.com/fairlead-deploy/fairlead/internal/secret/program"
)

// Attended runs a command of a person's own file in a folder, with the person's
// environment and terminal.
func Attended(dir string) secret.Runner {
	return func(ctx context.Context, command string, env []string) ([]byte, error) {
		return shell(ctx, program.Command{Dir: dir, Env: append(os.Environ(), env...), Attended: true}, command)
	}
}

// Unattended runs the commands of a repository that `allow: [commands]` lets
// run, with nothing of the daemon's environment but where programs are, and
// what the operator lists under `secrets: { env: … }`.
func Unattended(listed []string) secret.Runner {
	return func(ctx context.Context, command string, env []string) ([]byte, error) {
		return shell(ctx, program.Command{Env: append(program.Environ(listed...), env...), Mute: true}, command)
	}
}

func shell(ctx context.Context, c program.Command, command string) ([]byte, error) {
	c.Argv = []string{"sh", "-c", command}
	out, err := program.Run(ctx, c)
	return out.Out, err
}

// vendorTime bounds one run of a vendor's program that nobody attends.
const vendorTime = 30 * time.Second

// AttendedVendor runs vendors' programs for a person at the terminal, whom they
// may ask to log in.
func AttendedVendor(dir string, env []string) adapter.Runner {
	return vendor(program.Command{Dir: dir, Env: append(os.Environ(), env...), Attended: true})
}

func vendor(c program.Command) adapter.Runner {
	return func(ctx context.Context, argv, env []string, mute bool) (program.Output, error) {
		c := c
		c.Argv, c.Env, c.Mute = argv, append(slices.Clip(c.Env), env...), mute
		return program.Run(ctx, c)
	}
}

// templateTime bounds one command of a deploy.yml's template.
const templateTime = 30 * time.Second

// Template runs the commands of a deploy.yml's templates by run, and gives what
// they print without the last line's end, as Ruby's backticks are mostly used.
func Template(run secret.Runner) func(context.Context, string) (string, error) {
	return func(ctx context.Context, command string) (string, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, templateTime, errors.New("the command took over 30s"))
		defer cancel()
		out, err := run(ctx, command, nil)
		return strings.TrimRight(string(out), "\n"), err
	}
}
