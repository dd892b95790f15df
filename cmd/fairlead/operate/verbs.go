// Package operate is the verbs by which people work on a service that runs:
// commands in its containers, logs, listings, stop and start, locks, pruning,
// removal. Their names and flags are Kamal's.
//
// One file per group: flags, help, exit status. The daemon does it, or, without
// one, daemon.ByHand. How what is told looks is here, too (printer).
package operate

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// Looks are those that only look.
func Looks() []*cobra.Command { return []*cobra.Command{newDetails(), newAudit(), newDocs()} }

// Acts are those that may change something.
func Acts() []*cobra.Command {
	return []*cobra.Command{newApp(), newAccessory(), newProxy(), newLock(), newPrune(), newServer(), newRegistry(), newRemove(), newEject()}
}

// chosen are the flags by which all verbs choose what they are about.
type chosen struct {
	service, destination *string
	local                command.LocalFlags
	roles, hosts         *[]string
	primary              *bool
	version              *string
	asJSON               *bool
}

func choose(cmd *cobra.Command) chosen {
	return chosen{
		service:     cmd.Flags().String("service", "", "the service, where there are several (default: that of this checkout)"),
		destination: command.DestinationFlag(cmd), local: command.AddLocalFlags(cmd),
		roles:   cmd.Flags().StringSliceP("roles", "r", nil, "only these roles; a * matches any text"),
		hosts:   cmd.Flags().StringSlice("hosts", nil, "only these hosts; a * matches any text"),
		primary: cmd.Flags().BoolP("primary", "p", false, "only the primary host"),
		asJSON:  cmd.Flags().Bool("json", false, "print JSON, a line each, for programs"),
	}
}

// versioned adds --version.
func (c chosen) versioned(cmd *cobra.Command, about string) chosen {
	c.version = cmd.Flags().String("version", "", about)
	return c
}

// site is where an ask goes to.
type site struct {
	server.Operator
	repo    string
	lane    release.Lane
	service *server.Service // how it stands; nil where no daemon tells
	close   func()
}

// open finds the daemon, else the checkout.
func (c chosen) open(cmd *cobra.Command) (*site, error) {
	if !*c.local.Local {
		a, err := command.Ask(cmd)
		if err == nil {
			name := *c.service
			p, err := a.Place(name, *c.destination)
			if err != nil && name == "" {
				if own := ownService(c); own != "" {
					p, err = a.Place(own, *c.destination)
				}
			}
			if err != nil {
				a.Close()
				return nil, err
			}
			return &site{Operator: a.Client, repo: p.Repo, lane: p.Lane, service: a.Service(p), close: a.Close}, nil
		}
		if !errors.Is(err, client.ErrNoDaemon) {
			return nil, err
		}
	}
	b, err := c.local.ByHand(cmd, *c.destination)
	if err != nil {
		return nil, err
	}
	if lane := b.Lane(); *c.service != "" && *c.service != lane.Service && *c.service != lane.String() {
		return nil, errors.Join(command.Hint("leave --service out, or go to its checkout", "no daemon answers, and this checkout is of %s", lane), b.Close())
	}
	return &site{Operator: b, lane: b.Lane(), close: func() { _ = b.Close() }}, nil
}

// ownService is that of the checkout that this is called in, "" for none.
func ownService(c chosen) string {
	checkout, err := daemon.OpenCheckout(".", *c.local.File, *c.destination)
	if err != nil {
		return ""
	}
	defer checkout.Close()
	return checkout.Lane().Service
}

// ask fills in what the flags say.
func (c chosen) ask(s *site, a operation.Ask) operation.Ask {
	a.Repo, a.Destination, a.Actor = s.repo, s.lane.Destination, command.Actor()
	if s.lane.Destination == "" {
		a.Destination = *c.destination
	}
	a.Roles, a.Hosts, a.Primary = *c.roles, *c.hosts, *c.primary
	if c.version != nil {
		a.Version = *c.version
	}
	return a
}

// run carries an ask out and prints what is told.
func (c chosen) run(cmd *cobra.Command, a operation.Ask) error {
	s, err := c.open(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	p := newPrinter(cmd, *c.asJSON)
	err = s.Operate(cmd.Context(), c.ask(s, a), operation.Caller{Tell: p.tell})
	return p.end(cmd, err)
}

// outcome is an error as people read it.
func outcome(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return command.ExitError(command.ExitInterrupted)
	}
	if r, ok := errors.AsType[*operation.Refusal](err); ok && r.Hint != "" {
		return command.Hint(r.Hint, "%s", r.Message)
	}
	return err
}

// plain makes a verb without flags of its own.
func plain(verb operation.Verb, cmd *cobra.Command) *cobra.Command {
	c := choose(cmd)
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd, operation.Ask{Verb: verb}) }
	return cmd
}

var _ server.Operator = (*client.Client)(nil)

// versions asks which versions run.
func (c chosen) versions(ctx context.Context, s *site) (map[string]bool, error) {
	running := map[string]bool{}
	err := s.Operate(ctx, c.ask(s, operation.Ask{Verb: operation.Version}), operation.Caller{Tell: func(t operation.Told) error {
		if t.Container != nil {
			running[t.Container.Version] = true
		}
		return nil
	}})
	return running, err
}
