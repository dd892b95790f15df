package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/place"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "status [SERVICE]",
		Short:      "Show how every service stands",
		SuggestFor: []string{"details", "ps", "list", "ls", "info"},
		Long: `Status shows in one line how everything stands, then every service: the commit
and version that run, and where something is not as Git says, why, and the one
thing to do about it.

  fairlead status
  fairlead status shop -d staging
  fairlead status --json | jq -r .summary

Exit status: 0 when the daemon answered, 1 when not.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON, destination := command.JSONFlag(cmd), command.DestinationFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := command.Ask(cmd)
		if err != nil {
			return err
		}
		defer a.Close()
		st := a.Standing
		if command.First(args) != "" || *destination != "" {
			p, err := a.Place(command.First(args), *destination)
			if err != nil {
				return err
			}
			st = only(st, p)
		}
		if *asJSON {
			return command.SayJSON(cmd, st)
		}
		var b strings.Builder
		if err := st.WriteText(&b); err != nil {
			return err
		}
		return command.Say(cmd, command.Style(cmd).Tint(b.String()))
	}
	return cmd
}

// only keeps what is about one service.
func only(st server.Status, p place.Place) server.Status {
	st.Services = slices.DeleteFunc(slices.Clone(st.Services), func(s server.Service) bool { return s.Repo != p.Repo || s.Lane != p.Lane })
	st.Repositories = slices.DeleteFunc(slices.Clone(st.Repositories), func(r server.Repository) bool { return r.Name != p.Repo })
	st.Alerts = slices.DeleteFunc(slices.Clone(st.Alerts), func(ev release.Event) bool { return ev.Lane != p.Lane })
	return st
}
