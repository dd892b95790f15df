package byhand

import (
	"context"
	"errors"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// hooks runs a hook that comes with an ask.
func (b Place) hooks(ctx context.Context, ask operation.Ask, name string, about []string, tell func(operation.Told) error) error {
	if ask.SkipHooks {
		return nil
	}
	names := []string{name}
	if name == hooks.PreProxyReboot { // what comes after it is asked for before anything is done
		names = append(names, hooks.PostProxyReboot)
	}
	if b.Folder != "" { // a person's own checkout may do what the person may
		names = nil
	}
	if err := policy.Hooks(b.Deploy, b.Settings.Policy, names...); err != nil {
		return &operation.Refusal{Message: err.Error(), Hint: "--skip-hooks goes without"}
	}
	command, sub, _ := strings.Cut(string(ask.Verb), " ")
	beside := b.beside(hook.Facts{Release: release.Release{Cause: release.Cause{Actor: ask.Actor}}, Roles: ask.Roles, Command: command, Subcommand: sub})
	beside.Tell = func(host, line string) error {
		return tell(operation.Told{Source: operation.Source{Host: host}, Done: line})
	}
	err := beside.Run(ctx, name, about)
	if failed, ok := errors.AsType[*hook.FailedError](err); ok {
		return &operation.Refusal{Message: failed.Error(), Hint: "read what it printed and mend it; --skip-hooks goes without"}
	}
	return err
}

// beside runs hooks of the service, of what facts say.
func (b Place) beside(facts hook.Facts) hook.Beside {
	facts.Release.Lane = release.Lane{Service: b.Deploy.Service, Destination: b.Deploy.Destination}
	return hook.Beside{
		Deploy: b.Deploy, Files: b.Files, Facts: facts, Folder: b.Folder, Environ: b.Environ, Unique: b.Unique,
		Host: func(ctx context.Context, name string) (*process.Remote, error) {
			a, err := b.Address(b.At(name))
			if err != nil {
				return nil, err
			}
			h, err := b.Pool.Get(ctx, a)
			if err != nil {
				return nil, err
			}
			return &process.Remote{Name: name, Shell: h.Login()}, nil
		},
	}
}

var _ operate.Hooks = Place{}.hooks
