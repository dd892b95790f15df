package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newApp() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "app",
		Short: "Work on the containers of a service: exec, logs, stop, start, …",
		Long: `App works on the containers of a service's roles, on all its hosts at once: through
the daemon where one runs, else from this checkout with your own ssh keys.

  fairlead app exec 'bin/rails db:version'
  fairlead app logs -f
  fairlead app stop --roles worker

Exit status: that of the command below.`,
	},
		newExec(), newLogs(),
		plain(operation.Details, &cobra.Command{
			Use: "details", Short: "Show the containers of the service, its accessories and the proxy",
			Long: `Details shows every container that belongs to the service, running or not.

  fairlead app details
  fairlead app details --json | jq -r 'select(.container.running) | .name'

Exit status: 0, or 1 when a host could not be asked; the others are shown.`,
		}),
		newContainers(),
		plain(operation.Images, &cobra.Command{
			Use: "images", Short: "Show the service's images on each host",
			Long: `Images shows the images of the service's repository, and whether a container,
running or kept for a rollback, needs them.

  fairlead app images

Exit status: 0, or 1 when a host could not be asked.`,
		}),
		plain(operation.Version, &cobra.Command{
			Use: "version", Short: "Show the version that runs on each host",
			Long: `Version shows what runs where.

  fairlead app version --roles web

Exit status: 0, or 1 when a host could not be asked.`,
		}),
		newStale(), newStart(), newStop(), newBoot(), newRestart(), newScale(), newMaintenance(),
		plain(operation.Live, &cobra.Command{
			Use: "live", Short: "End maintenance: serve requests again",
			Long: `Live ends what maintenance began.

  fairlead app live

Exit status: 0 when all hosts serve again, 1 when not.`,
		}),
		newRemoveApp(), newRemoveContainer(),
		plain(operation.RemoveContainers, &cobra.Command{
			Use: "remove_containers", Short: "Remove all stopped containers of the service",
			Long: `Remove_containers removes what was kept for rollbacks. What runs stays. A rollback
then makes new containers of the stored configuration.

  fairlead app remove_containers

Exit status: 0 when they are gone, 1 when not.`,
		}),
		plain(operation.RemoveImages, &cobra.Command{
			Use: "remove_images", Short: "Remove the service's images that no container needs",
			Long: `Remove_images removes images of the service. One that a container needs, running
or kept for a rollback, stays.

  fairlead app remove_images --hosts web1.example.com

Exit status: 0 when they are gone, 1 when not.`,
		}),
	)
}

func newContainers() *cobra.Command {
	cmd := &cobra.Command{
		Use: "containers", Short: "Show the containers of the service's roles, stopped ones too",
		Long: `Containers shows what runs and what is kept for rollbacks.

  fairlead app containers
  fairlead app containers --version v41

Exit status: 0, or 1 when a host could not be asked.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd).versioned(cmd, "only of this version")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.Containers})
	}
	return cmd
}

func newStale() *cobra.Command {
	cmd := &cobra.Command{
		Use: "stale_containers", Short: "Show what runs beside the current version, or stop it",
		Long: `Stale_containers shows running containers of another version than the one that gets
the requests, or, for roles without a proxy, than the newest. With --stop they
are stopped; they stay for rollbacks.

  fairlead app stale_containers
  fairlead app stale_containers --stop

Exit status: 0, or 1 when a host could not be asked.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	stop := cmd.Flags().Bool("stop", false, "stop them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.Stale, Stop: *stop})
	}
	return cmd
}

func newStart() *cobra.Command {
	cmd := &cobra.Command{
		Use: "start", Short: "Start what was stopped, and send it its requests",
		Long: `Start starts the newest stopped container of each role on each host, or that of a
version, and sends it requests once it is healthy. The service stays held.

  fairlead app start
  fairlead resume shop                  # then follow Git again

Exit status: 0 when all runs, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd).versioned(cmd, "the containers of this version")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.run(cmd, operation.Ask{Verb: operation.Start}) }
	return cmd
}

func newStop() *cobra.Command {
	return plain(operation.Stop, &cobra.Command{
		Use: "stop", Short: "Stop what runs, and keep it stopped until resume",
		Long: `Stop lets requests under way finish, takes the routes away (visitors get 404) and
stops the containers. The service is held: nothing starts it again, whatever is
pushed, before fairlead app start or fairlead resume.

  fairlead app stop
  fairlead app stop --roles worker
  fairlead resume shop

Without a daemon nothing is held: hold the service where its daemon runs.

Exit status: 0 when all is stopped, 1 when not.`,
	})
}

func newMaintenance() *cobra.Command {
	cmd := &cobra.Command{
		Use: "maintenance", Short: "Answer requests with 503 until live",
		Long: `Maintenance lets the proxies answer every request with 503 and a page; the
containers run on, and a deploy does not end it.

  fairlead app maintenance --message "Back at 06:00"
  fairlead app live

Exit status: 0 when all hosts answer so, 1 when not.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	message := cmd.Flags().String("message", "", "a sentence for visitors")
	drain := cmd.Flags().Duration("drain-timeout", 0, "how long requests under way may take (default: deploy.yml's drain_timeout)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, operation.Ask{Verb: operation.Maintenance, Message: *message, Drain: *drain})
	}
	return cmd
}

func newRemoveContainer() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove_container VERSION", Short: "Remove the stopped containers of a version",
		Long: `Remove_container removes the containers of one version from all hosts. One that
runs stays.

  fairlead app remove_container v41

Exit status: 0 when they are gone, 1 when not.`,
		Args: cobra.ExactArgs(1),
	}
	c := choose(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		version := args[0]
		c.version = &version
		return c.run(cmd, operation.Ask{Verb: operation.RemoveContainer})
	}
	return cmd
}
