package proxy

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func (c *commands) rollout() *cobra.Command {
	group := &cobra.Command{Use: "rollout", Short: "Send chosen visitors to a second set of targets"}
	group.AddCommand(c.rolloutDeploy(), c.rolloutSet(), c.rolloutStop())
	return group
}

func (c *commands) rolloutDeploy() *cobra.Command {
	var q control.RolloutRequest
	split, check := control.Split{}, control.DefaultOptions().HealthCheck
	cmd := &cobra.Command{
		Use: "deploy <service>", Short: "Set the second targets, once they are healthy", Args: cobra.ExactArgs(1),
		Long: "Wait until the targets are healthy, and keep them for the requests that `rollout set` chooses, or at once\nfor those that --percent does. Unless a health check is given they are asked as the service's own are.",
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			if cmd.Flags().Changed("percent") {
				q.Split = &split
			}
			for _, name := range []string{"path", "interval", "timeout", "port", "host"} {
				if cmd.Flags().Changed("health-check-" + name) {
					q.HealthCheck = &check
				}
			}
			_, err := c.client().RolloutDeploy(cmd.Context(), q)
			return err
		},
	}
	cmd.Flags().StringSliceVar(&q.Targets, "target", nil, "HOST:PORT of a container; repeat it for more")
	timeouts(cmd, &q.DeployTimeout.Duration, &q.DrainTimeout.Duration)
	healthFlags(cmd, &check)
	shareFlags(cmd, &split)
	required(cmd, "target")
	return cmd
}

func (c *commands) rolloutSet() *cobra.Command {
	var q control.SplitRequest
	cmd := &cobra.Command{
		Use: "set <service>", Short: "Choose who goes to the second targets", Args: cobra.ExactArgs(1),
		Long: strings.Join([]string{
			"Set which requests go to the rollout target: those whose cookie kamal-rollout has a value in the list,",
			"or a value that falls into the percentage. A request without the cookie never does.",
			"",
			"With --sticky the proxy chooses by itself: it gives each client a number below 100 in a cookie, and those",
			"below the percentage go there. The next deploy of the service ends it.",
		}, "\n"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			return c.client().RolloutSet(cmd.Context(), q)
		},
	}
	shareFlags(cmd, &q.Split)
	cmd.Flags().StringSliceVar(&q.List, "list", nil, "cookie values that go there, separated by commas")
	cmd.MarkFlagsOneRequired("percent", "list")
	cmd.MarkFlagsMutuallyExclusive("sticky", "list")
	return cmd
}

func (c *commands) rolloutStop() *cobra.Command {
	var q control.RolloutStopRequest
	cmd := &cobra.Command{
		Use: "stop <service>", Short: "Send everybody to the first targets again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			return c.client().RolloutStop(cmd.Context(), q)
		},
	}
	cmd.Flags().DurationVar(&q.DrainTimeout.Duration, "drain-timeout", control.DefaultDrainTimeout, "time for requests at the second targets to finish; then they are cut")
	return cmd
}

func shareFlags(cmd *cobra.Command, s *control.Split) {
	cmd.Flags().IntVar(&s.Percent, "percent", 0, "share of cookie values or, with --sticky, of clients, 0 to 100, that go there")
	cmd.Flags().BoolVar(&s.Sticky, "sticky", false, "give clients a cookie of the proxy's own that keeps them where they are")
}
