package operate

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/server"
)

func newBoot() *cobra.Command {
	cmd := &cobra.Command{
		Use: "boot", Short: "Make new containers of what Git says, or of a version, without a gap",
		Long: `Boot replaces the containers by new ones of the newest commit, or of a version,
even where nothing differs, as fairlead deploy --force does: started and healthy
first, then the requests move, then the old stop.

  fairlead app boot
  fairlead app boot --version v41       # stays there until fairlead resume

Exit status: that of fairlead deploy.`,
		Args: cobra.NoArgs,
	}
	return booting(cmd, func(*cobra.Command, chosen) (string, error) { return "", nil })
}

func newRestart() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restart", Short: "Make new containers of the version that runs, without a gap",
		Long: `Restart replaces the containers of the version that runs by new ones of the same,
group by group where boot.limit says so, without dropping a request. It builds
nothing and changes no version.

  fairlead app restart
  fairlead app restart --roles worker

Where Git says another version than the one that runs, the service is held there
until fairlead resume.

Exit status: that of fairlead deploy.`,
		Args: cobra.NoArgs,
	}
	return booting(cmd, runningVersion)
}

// booting orders a deploy that replaces containers though nothing differs.
func booting(cmd *cobra.Command, version func(*cobra.Command, chosen) (string, error)) *cobra.Command {
	f := command.AddFollowFlags(cmd)
	c := chosen{
		service:     cmd.Flags().String("service", "", "the service, where there are several (default: that of this checkout)"),
		destination: command.DestinationFlag(cmd), local: command.AddLocalFlags(cmd),
		roles:   cmd.Flags().StringSliceP("roles", "r", nil, "only these roles; a * at the end matches any text"),
		hosts:   cmd.Flags().StringSlice("hosts", nil, "only these hosts; a * at the end matches any text"),
		primary: new(bool),
	}.versioned(cmd, "the version (tag) of the image")
	skip := cmd.Flags().BoolP("skip-hooks", "H", false, "run no hooks")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o := server.Order{Action: server.Deploy, Force: true, Version: *c.version, Roles: *c.roles, Hosts: *c.hosts, SkipHooks: *skip}
		if o.Version == "" {
			var err error
			if o.Version, err = version(cmd, c); err != nil {
				return err
			}
		}
		return command.Wish{Name: *c.service, Destination: *c.destination, Order: o, Follow: f, Local: c.local}.CarryOut(cmd)
	}
	return cmd
}

// runningVersion is the version to name in an order that shall not change it:
// "" where the service follows Git and runs what Git says.
func runningVersion(cmd *cobra.Command, c chosen) (string, error) {
	s, err := c.open(cmd)
	if err != nil {
		return "", err
	}
	defer s.close()
	if *c.service == "" && s.repo != "" {
		*c.service = s.lane.String()
	}
	running, err := c.versions(cmd.Context(), s)
	if err != nil {
		return "", outcome(cmd, err)
	}
	list := slices.Sorted(maps.Keys(running))
	switch {
	case len(list) == 0:
		return "", command.Hint("`fairlead app start` starts what was stopped", "nothing runs")
	case len(list) > 1:
		return "", command.Hint("name one with --version", "several versions run: %s", strings.Join(list, ", "))
	case s.service != nil && s.service.State == server.OnCommit && s.service.LastSuccess != nil && s.service.LastSuccess.Version == list[0]:
		return "", nil
	}
	return list[0], nil
}
