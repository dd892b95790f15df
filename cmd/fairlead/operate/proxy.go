package operate

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newProxy() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "proxy",
		Short: "Work on the reverse proxies: upgrade, reboot, use another, logs, …",
		Long: `Proxy works on the reverse proxy of each host that the service needs one on: through
the daemon where one runs, else from this checkout with your own ssh keys. Other
services on these hosts share it. Deploys boot a proxy where none runs, and do
nothing else to it.

  fairlead proxy upgrade                # today's program; no connection is refused
  fairlead proxy reboot --rolling       # after a change of proxy.run
  fairlead proxy logs -f

Exit status: that of the command below.`,
	},
		newProxyUpgrade(), newProxyReboot(), newProxyUse(),
		turning(operation.ProxyBoot, &cobra.Command{
			Use: "boot", Short: "Make the proxies run where none does",
			Long: `Boot starts the proxy of each host, or makes one as proxy.run of deploy.yml says,
where none runs. One that runs stays as it is.

  fairlead proxy boot

Exit status: 0 when all run, 1 when not.`,
		}),
		turning(operation.ProxyStart, &cobra.Command{
			Use: "start", Short: "Start proxies that were stopped",
			Long: `Start starts what stop stopped, with the routes it had.

  fairlead proxy start

Exit status: 0 when all run, 1 when not.`,
		}),
		breaking(operation.ProxyStop, "refuses all connections, of every service on these hosts, until `fairlead proxy start`", &cobra.Command{
			Use: "stop", Short: "Stop the proxies: all services on these hosts are away",
			Long: `Stop lets requests under way end, ten seconds at most, and stops the proxies. The
next rollout, and the mending of the service, start them again.

  fairlead proxy stop --hosts web1.example.com

It asks first.

Exit status: 0 when all are stopped, 1 when not.`,
		}),
		breaking(operation.ProxyRestart, "refuses connections, of every service on these hosts, for a moment", &cobra.Command{
			Use: "restart", Short: "Stop and start the proxies",
			Long: `Restart stops and starts the proxy's container, and says how long connections were
refused.

  fairlead proxy restart

It asks first.

Exit status: 0 when all run, 1 when not.`,
		}),
		newProxyDetails(), newProxyLogs(), newProxyRemove(), newBootConfig(),
	)
}

// turning makes a verb without flags of its own.
func turning(verb operation.Verb, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	c := choose(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd, operation.Ask{Verb: verb}) }
	return cmd
}

// breaking makes a verb after which connections are refused: it asks first.
func breaking(verb operation.Verb, what string, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	c := choose(cmd)
	ask := sure(cmd, what)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := ask(); err != nil {
			return err
		}
		return c.run(cmd, operation.Ask{Verb: verb})
	}
	return cmd
}

// sure adds -y, and returns what asks unless it is given.
func sure(cmd *cobra.Command, what string) func() error {
	yes := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	return func() error {
		if *yes {
			return nil
		}
		if !command.IsTerminal(cmd.InOrStdin()) {
			return command.Hint("add -y where that is meant", "there is no terminal to ask on: this %s", what)
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "This %s. Go on? (y/N) ", what)
		var answer string
		if _, err := fmt.Fscanln(cmd.InOrStdin(), &answer); err != nil || answer != "y" && answer != "yes" {
			return command.Hint("answer y to go on", "nothing was done")
		}
		return nil
	}
}

func newProxyUpgrade() *cobra.Command {
	cmd := &cobra.Command{
		Use: "upgrade", Short: "Make the proxies run today's program, without refusing a connection",
		Long: `Upgrade gives Fairlead's proxy the program that this is (the daemon's, where one is
asked). It takes over while the old one runs: no connection is refused and none
waits; requests under way have ten seconds to end. Where kamal-proxy runs and
proxy.run names another version of it, the container is replaced, as reboot does.

  fairlead proxy upgrade
  fairlead proxy upgrade --rolling      # host by host; ends at the first that fails

Exit status: 0 when all are upgraded, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	rolling := cmd.Flags().Bool("rolling", false, "host by host")
	cmd.Flags().BoolP("yes", "y", false, "taken as Kamal takes it; nothing is asked")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.ProxyUpgrade, Rolling: *rolling})
	}
	return cmd
}

func newProxyReboot() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reboot", Short: "Make the proxies' containers anew, as proxy.run says today",
		Long: `Reboot makes a new container of each proxy, with the ports, options and image that
deploy.yml says today, and starts it in the old one's place: routes, certificates
and maintenance stay. For about a second connections are refused; it says how
long. A new one that does not start leaves the old one serving. The hooks
pre-proxy-reboot and post-proxy-reboot run around it; with --rolling, around each.

  fairlead proxy reboot
  fairlead proxy reboot --rolling -y    # host by host; ends at the first that fails

It asks first.

Exit status: 0 when all are new, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	rolling := cmd.Flags().Bool("rolling", false, "host by host")
	skip := command.SkipHooks(cmd)
	ask := sure(cmd, "refuses connections, of every service on these hosts, for about a second")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := ask(); err != nil {
			return err
		}
		return c.run(cmd, operation.Ask{Verb: operation.ProxyReboot, Rolling: *rolling, SkipHooks: *skip})
	}
	return cmd
}

func newProxyUse() *cobra.Command {
	cmd := &cobra.Command{
		Use: "use fairlead|kamal-proxy|traefik", Short: "Replace the proxies by Fairlead's own, by kamal-proxy or by Traefik",
		Long: `Use replaces the running proxies by another kind and tells the new one every route
of the old, other services' too. kamal-proxy's image is the one that proxy.run
names. Connections are refused from the stop of the old until the new has all
routes; it says how long. If that fails the old one serves again.

  fairlead proxy use fairlead
  fairlead proxy use kamal-proxy --rolling -y

Certificates by ACME are obtained anew by the new one. From and to Traefik, say it
in deploy.yml first (x-fairlead: {proxy: traefik}) and push: that release waits for
this command. It asks first.

Exit status: 0 when all are replaced, 1 when not.`,
		Args: cobra.ExactArgs(1), ValidArgs: []string{operation.KindFairlead, operation.KindKamalProxy, operation.KindTraefik},
	}
	c := choose(cmd)
	rolling := cmd.Flags().Bool("rolling", false, "host by host")
	ask := sure(cmd, "refuses connections, of every service on these hosts, for some seconds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a := operation.Ask{Verb: operation.ProxyUse, Kind: args[0], Rolling: *rolling}
		if why := a.Check(); why != "" {
			return command.Hint("`fairlead proxy use --help` shows how", "%s", why)
		}
		if err := ask(); err != nil {
			return err
		}
		return c.run(cmd, a)
	}
	return cmd
}

func newProxyRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove", Short: "Remove proxies that serve nobody",
		Long: `Remove stops and removes the proxy's container. Its volume, with certificates and
routes, stays. One that serves a service is left alone unless --force is given.

  fairlead proxy remove
  fairlead proxy remove --force

Exit status: 0 when they are gone, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	force := cmd.Flags().Bool("force", false, "though it serves services")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.ProxyRemove, Force: *force})
	}
	return cmd
}

func newProxyDetails() *cobra.Command {
	cmd := &cobra.Command{
		Use: "details", Short: "Show the proxies' containers",
		Long: `Details shows the proxy of each host: its image, state and age.

  fairlead proxy details

Exit status: 0, or 1 when a host could not be asked.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := c.open(cmd)
		if err != nil {
			return err
		}
		defer s.close()
		p := newPrinter(cmd, *c.asJSON)
		tell := func(t operation.Told) error {
			if t.Container != nil && t.Container.Kind != "proxy" {
				return nil
			}
			return p.tell(t)
		}
		err = s.Operate(cmd.Context(), c.ask(s, operation.Ask{Verb: operation.Details}), operation.Caller{Tell: tell})
		return p.end(cmd, err)
	}
	return cmd
}

func newProxyLogs() *cobra.Command {
	cmd := logs(&cobra.Command{
		Use: "logs", Short: "Show what the proxies write: a line per request",
		Long: `Logs shows the proxies' lines of all hosts in the order of time, as JSON: a line for
each request, and for each change of a route.

  fairlead proxy logs -f
  fairlead proxy logs --since 10m --grep '"status":5'

Exit status: 0, 1 when a host could not be read (the others are), 130 after Ctrl-C.`,
		Args: cobra.NoArgs,
	}, false)
	if err := cmd.Flags().Set("container-id", "kamal-proxy"); err != nil {
		panic(err) // logging has the flag
	}
	cmd.Flag("container-id").Hidden = true
	return cmd
}

// newBootConfig is Kamal's deprecated way to say how a proxy is run.
func newBootConfig() *cobra.Command {
	return &cobra.Command{
		Use: "boot_config", Short: "Deprecated: write proxy.run in deploy.yml", Hidden: true, DisableFlagParsing: true,
		Long: `Boot_config was Kamal's way to say how a proxy is run, before deploy.yml had
proxy.run. Fairlead reads deploy.yml alone:

  proxy: { run: { http_port: 8080, log_max_size: 50m, options: { memory: 256m } } }

and after the push fairlead proxy reboot. This verb only says so:

  fairlead proxy boot_config get

Exit status: 1.`,
		RunE: func(*cobra.Command, []string) error {
			return command.Hint("write `proxy: { run: { http_port: …, options: {…} } }` in deploy.yml, push, and `fairlead proxy reboot`",
				"boot_config is deprecated by Kamal, and not read by Fairlead")
		},
	}
}
