package proxy

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// Command returns the command line. Its commands talk to the running proxy through the socket, but
// for run, which is the proxy, and version.
func Command(env func(string) string) *cobra.Command {
	e := environment(env)
	c := &commands{env: e}
	root := &cobra.Command{
		Use:           "kamal-proxy",
		Short:         "Send requests to containers, and swap those without dropping one",
		Long:          "The reverse proxy in front of an application's containers. A new version gets the traffic\nwhen it is healthy; the former finishes what it began.\n\nExit status: 0 done, 1 not done; the reason is on standard error.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&c.socket, "socket", e.socketPath(), "the socket that the running proxy takes commands on")
	root.AddCommand(c.run(), c.deploy(), c.remove(), c.list(), c.pause(), c.stop(), c.resume(), c.rollout(), c.version(), c.upgrade(), c.health(), c.probe(), c.sftpServer())
	return root
}

// commands share the socket and the environment.
type commands struct {
	socket string
	env    environment
}

func (c *commands) client() control.Client { return control.Unix(c.socket) }

func (c *commands) run() *cobra.Command {
	s := settings{env: c.env}
	cmd := &cobra.Command{
		Use: "run", Short: "Be the proxy", Args: cobra.NoArgs,
		Long: "Serve until SIGTERM or SIGINT, then finish the requests under way.\n\nEach option can be set by an environment variable too: HTTP_PORT or, to be\nunmistakable, KAMAL_PROXY_HTTP_PORT for --http-port, and so on.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.fromEnvironment(cmd.Flags().Changed); err != nil {
				return err
			}
			s.socket, s.out = c.socket, cmd.OutOrStdout()
			return run(cmd.Context(), s)
		},
	}
	cmd.Flags().IntVar(&s.httpPort, "http-port", 80, "where to listen for HTTP")
	cmd.Flags().IntVar(&s.httpsPort, "https-port", 443, "where to listen for HTTPS")
	cmd.Flags().IntVar(&s.metricsPort, "metrics-port", 0, "taken so that Kamal can give it; there are no metrics")
	cmd.Flags().BoolVar(&s.debug, "debug", false, "log every detail")
	return cmd
}

// fromEnvironment fills the options that no flag gave.
func (s *settings) fromEnvironment(given func(string) bool) error {
	for _, o := range []struct {
		flag, name string
		value      *int
	}{{"http-port", "HTTP_PORT", &s.httpPort}, {"https-port", "HTTPS_PORT", &s.httpsPort}, {"metrics-port", "METRICS_PORT", &s.metricsPort}} {
		if given(o.flag) {
			continue
		}
		n, err := s.env.number(o.name, *o.value)
		if err != nil {
			return err
		}
		*o.value = n
	}
	if given("debug") {
		return nil
	}
	debug, err := s.env.truth("DEBUG")
	s.debug = debug
	return err
}

func (c *commands) remove() *cobra.Command {
	return c.simple("remove", "Forget a service: its hosts get 404", nil, control.Client.Remove)
}

func (c *commands) resume() *cobra.Command {
	return c.simple("resume", "Serve a paused or stopped service again", nil, control.Client.Resume)
}

// simple is a command whose only argument is a service.
func (c *commands) simple(name, short string, aliases []string, do func(control.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: name + " <service>", Short: short, Aliases: aliases, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return do(c.client(), cmd.Context(), args[0]) },
	}
}

func (c *commands) pause() *cobra.Command {
	var q control.PauseRequest
	cmd := &cobra.Command{
		Use: "pause <service>", Short: "Hold a service's requests back for a while", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			return c.client().Pause(cmd.Context(), q)
		},
	}
	cmd.Flags().DurationVar(&q.DrainTimeout.Duration, "drain-timeout", control.DefaultDrainTimeout, "time for requests under way to finish")
	cmd.Flags().DurationVar(&q.MaxPause.Duration, "max-pause", control.DefaultMaxPause, "how long a request is held before it gets 504")
	return cmd
}

func (c *commands) stop() *cobra.Command {
	var q control.StopRequest
	cmd := &cobra.Command{
		Use: "stop <service>", Short: "Answer a service's requests with 503", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Service = args[0]
			return c.client().Stop(cmd.Context(), q)
		},
	}
	cmd.Flags().DurationVar(&q.DrainTimeout.Duration, "drain-timeout", control.DefaultDrainTimeout, "time for requests under way to finish")
	cmd.Flags().StringVar(&q.Message, "message", "", "a sentence for the page that visitors see")
	return cmd
}

func (c *commands) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), Version)
			return err
		},
	}
}

func (c *commands) health() *cobra.Command {
	return &cobra.Command{
		Use: "health", Aliases: []string{"healthy"}, Short: "Exit 0 if the proxy answers (for HEALTHCHECK)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := c.client().About(cmd.Context())
			return err
		},
	}
}

func timeouts(cmd *cobra.Command, deploy, drain *time.Duration) {
	cmd.Flags().DurationVar(deploy, "deploy-timeout", control.DefaultDeployTimeout, "time for the targets to become healthy")
	cmd.Flags().DurationVar(drain, "drain-timeout", control.DefaultDrainTimeout, "time for requests at the former targets to finish; then they are cut")
}

// required marks a flag of cmd; a name that is not one is a mistake in this file.
func required(cmd *cobra.Command, name string) {
	if err := cmd.MarkFlagRequired(name); err != nil {
		panic(err)
	}
}
