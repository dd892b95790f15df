package operate

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newAccessory() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:   "accessory",
		Short: "Work on databases, caches and the like: boot, reboot, exec, logs, backup, …",
		Long: `Accessory works on the accessories of deploy.yml, one by its name or all, through
the daemon where one runs, else from this checkout with your own ssh keys.

A deploy boots an accessory that is not there, before the service. One whose part
of deploy.yml changed stays as it is until reboot, or with allow: [accessories] in
fairlead.yml until the next push: fairlead plan names the field.

  fairlead accessory reboot db
  fairlead accessory exec db 'pg_dump -U postgres shop' > shop.sql
  fairlead accessory backup db

Exit status: that of the command below.`,
	}, slices.Concat(accessoryRuns(), accessoryLooks(), accessoryParts())...)
}

// accessoryRuns are the verbs that make, start and stop.
func accessoryRuns() []*cobra.Command {
	return []*cobra.Command{
		onAccessory(operation.AccessoryBoot, &cobra.Command{
			Use: "boot NAME|all", Short: "Make what is not there, and start what is stopped",
			Long: `Boot makes an accessory's folders and files, pulls its image, starts its container
and waits until it works. Where one runs, nothing is done.

  fairlead accessory boot db
  fairlead accessory boot all

Exit status: 0 when all run, 1 when not.`,
		}),
		newAccessoryReboot(), newAccessoryUpgrade(),
		onAccessory(operation.AccessoryStart, &cobra.Command{
			Use: "start NAME|all", Short: "Start what was stopped",
			Long: `Start starts an accessory's container, waits until it works, and sends a proxied one
its requests.

  fairlead accessory start db

Exit status: 0 when all run, 1 when not.`,
		}),
		onAccessory(operation.AccessoryStop, &cobra.Command{
			Use: "stop NAME|all", Short: "Stop what runs; it stays stopped until start",
			Long: `Stop stops an accessory's container. No deploy starts it again: that takes start,
boot or reboot.

  fairlead accessory stop db

Exit status: 0 when all are stopped, 1 when not.`,
		}),
		onAccessory(operation.AccessoryRestart, &cobra.Command{
			Use: "restart NAME|all", Short: "Stop and start the container as it is",
			Long: `Restart stops an accessory's container and starts the same one again. It is not made
anew: that is reboot.

  fairlead accessory restart db

Exit status: 0 when all run, 1 when not.`,
		}),
	}
}

// accessoryLooks are those that look, and those about data.
func accessoryLooks() []*cobra.Command {
	return []*cobra.Command{
		onAccessory(operation.Details, &cobra.Command{
			Use: "details NAME|all", Short: "Show the accessory's container on each host",
			Long: `Details shows an accessory's containers, running or not.

  fairlead accessory details all

Exit status: 0, or 1 when a host could not be asked.`,
		}),
		newAccessoryLogs(), newAccessoryExec(), newAccessoryRemove(),
		onAccessory(operation.AccessoryBackup, &cobra.Command{
			Use: "backup NAME|all", Short: "Keep a dump on the machine of the daemon",
			Long: `Backup runs the accessory's backup: of deploy.yml inside its container, on its first
host, and keeps what it prints beside fairlead's data (without a daemon in
~/.local/state/fairlead/backups). A dump that fails takes the place of none.

  accessories:
    db:
      backup: {cmd: pg_dump -U postgres shop, schedule: "0 3 * * *", keep: 14,
               restore: psql -U postgres shop}

  fairlead accessory backup db
  fairlead accessory backups db

Exit status: 0 when the dump is kept, 1 when not.`,
		}),
		onAccessory(operation.AccessoryBackups, &cobra.Command{
			Use: "backups NAME|all", Short: "Show the dumps that are kept, newest first",
			Long: `Backups shows what is kept, and where.

  fairlead accessory backups db

Exit status: 0, or 1 when the folder could not be read.`,
		}),
		newAccessoryRestore(),
	}
}

// accessoryParts are Kamal's hidden verbs: parts of boot and remove.
func accessoryParts() []*cobra.Command {
	return []*cobra.Command{
		hidden(onAccessory(operation.AccessoryFiles, &cobra.Command{
			Use: "upload NAME|all", Short: "Put the accessory's files and folders in place again",
			Long: "Upload puts an accessory's files and folders on its hosts.\n\n  fairlead accessory upload db\n\nExit status: 0 when they are in place, 1 when not.",
		})),
		hidden(onAccessory(operation.AccessoryFiles, &cobra.Command{
			Use: "directories NAME|all", Short: "Put the accessory's files and folders in place again",
			Long: "Directories does what upload does.\n\n  fairlead accessory directories db\n\nExit status: 0 when they are in place, 1 when not.",
		})),
		hidden(onAccessory(operation.AccessoryPull, &cobra.Command{
			Use: "pull_image NAME|all", Short: "Pull the accessory's image",
			Long: "Pull_image pulls an accessory's image, also where its hosts have one of its name.\n\n  fairlead accessory pull_image db\n\nExit status: 0 when it is there, 1 when not.",
		})),
		hidden(onAccessory(operation.AccessoryDropImage, &cobra.Command{
			Use: "remove_image NAME|all", Short: "Remove the image of an accessory without a container",
			Long: "Remove_image removes the image of an accessory that was removed.\n\n  fairlead accessory remove_image db\n\nExit status: 0 when it is gone, 1 when not.",
		})),
		hidden(onAccessory(operation.AccessoryDropFolder, &cobra.Command{
			Use: "remove_service_directory NAME", Short: "Remove the folder of an accessory without a container, with its data",
			Long: "Remove_service_directory removes the folder of an accessory that was removed, with\nthe data in it.\n\n  fairlead accessory remove_service_directory db\n\nExit status: 0 when it is gone, 1 when not.",
		})),
	}
}

func hidden(cmd *cobra.Command) *cobra.Command {
	cmd.Hidden = true
	return cmd
}

// onAccessory makes a verb that takes the name of an accessory and no flags of
// its own.
func onAccessory(verb operation.Verb, cmd *cobra.Command) *cobra.Command {
	c := choose(cmd)
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, operation.Ask{Verb: verb, Accessory: args[0]})
	}
	return cmd
}

func newAccessoryReboot() *cobra.Command {
	return onAccessory(operation.AccessoryReboot, &cobra.Command{
		Use: "reboot NAME|all", Short: "Make the container anew, as deploy.yml says now",
		Long: `Reboot pulls the image, stops the accessory's container, starts a new one on the
same data and waits until it works. In between it is away.

  fairlead accessory reboot db

Exit status: 0 when all run, 1 when not.`,
	})
}

func newAccessoryUpgrade() *cobra.Command {
	cmd := &cobra.Command{
		Use: "upgrade NAME|all", Short: "Make containers anew, one host after the other",
		Long: `Upgrade is reboot for many: with --rolling one host after the other.

  fairlead accessory upgrade all --rolling -y

It asks for the service's name first.

Exit status: 0 when all run, 1 when not.`,
		Args: cobra.ExactArgs(1),
	}
	c := choose(cmd)
	rolling := cmd.Flags().Bool("rolling", false, "one host after the other")
	sure := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.asked(cmd, *sure, "restarts accessory "+args[0], operation.Ask{Verb: operation.AccessoryReboot, Accessory: args[0], Rolling: *rolling})
	}
	return cmd
}

// asked carries an ask out once a person has typed the service's name.
func (c chosen) asked(cmd *cobra.Command, sure bool, what string, ask operation.Ask) error {
	s, err := c.open(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	name := s.lane.String()
	if s.lane.Service == "" {
		name = s.repo
	}
	if err := confirmed(cmd, sure, name, what); err != nil {
		return err
	}
	p := newPrinter(cmd, *c.asJSON)
	err = s.Operate(cmd.Context(), c.ask(s, ask), operation.Caller{Tell: p.tell})
	return p.end(cmd, err)
}

func newAccessoryRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove NAME|all", Aliases: []string{"remove_container"}, Short: "Remove containers and images; the data stays unless --data",
		Long: `Remove stops and removes an accessory's containers and its image. Its folder on the
hosts, with its data, stays unless --data is given; named volumes stay always. One
with data in a volume without a name is only stopped, unless --data is given. The
service is held, or the accessory would come back: take it out of deploy.yml, then
fairlead resume.

  fairlead accessory remove db
  fairlead accessory remove db --data -y

It asks for the service's name first.

Exit status: 0 when it is gone, 1 when not from every host.`,
		Args: cobra.ExactArgs(1),
	}
	c := choose(cmd)
	data := cmd.Flags().Bool("data", false, "its folder, too, with all data in it")
	sure := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		what := "removes accessory " + args[0]
		if *data {
			what += " and its data"
		}
		return c.asked(cmd, *sure, what, operation.Ask{Verb: operation.AccessoryRemove, Accessory: args[0], Data: *data})
	}
	return cmd
}

func newAccessoryRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore NAME [BACKUP]", Short: "Put a kept dump back, the newest unless one is named",
		Long: `Restore gives a dump to the restore command of deploy.yml's backup:, or to that of
--command, inside the running container.

  fairlead accessory restore db
  fairlead accessory restore db 20261123T030000Z --command 'psql -U postgres shop'

It asks for the service's name first.

Exit status: 0 when the command ended well, 1 when not.`,
		Args: cobra.RangeArgs(1, 2),
	}
	c := choose(cmd)
	text := cmd.Flags().String("command", "", "what reads the dump, in place of deploy.yml's restore:")
	sure := cmd.Flags().BoolP("yes", "y", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ask := operation.Ask{Verb: operation.AccessoryRestore, Accessory: args[0], Text: *text}
		if len(args) > 1 {
			ask.Dump = args[1]
		}
		return c.asked(cmd, *sure, "puts a backup over the data of accessory "+args[0], ask)
	}
	return cmd
}

func newAccessoryExec() *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec NAME COMMAND...", Short: "Run a command in the accessory's container",
		Long: `Exec runs a command in the accessory's running container on every host of it, or
with --new in a new one that is made as it is and removed at the end.

  fairlead accessory exec db 'pg_dump -U postgres shop' > shop.sql
  fairlead accessory exec -i db 'psql -U postgres'

Standard output is the command's alone, byte for byte; where it runs on several
hosts, each line begins with its place (not with --raw). What is said of -i and of
words that need a shell in fairlead app exec --help is true here.

Exit status: the command's, of several the first that is not 0; 1 when it could not
be run, 130 after Ctrl-C.`,
		Args: cobra.MinimumNArgs(2),
	}
	c := choose(cmd)
	var run operation.Command
	cmd.Flags().BoolVarP(&run.Input, "interactive", "i", false, "pass your input on; on a terminal, with a terminal")
	fresh := cmd.Flags().Bool("new", false, "in a new container")
	_ = cmd.Flags().Bool("reuse", true, "in the container that runs; it is so unless --new is given")
	raw := cmd.Flags().Bool("raw", false, "no place before the lines")
	env := cmd.Flags().StringArrayP("env", "e", nil, "a variable, NAME=VALUE; may be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if run.Argv, err = argv(args[1:]); err != nil {
			return err
		}
		if run.Env, err = variables(*env); err != nil {
			return err
		}
		run.Reuse = !*fresh
		return c.attend(cmd, operation.Ask{Verb: operation.Exec, Accessory: args[0], Command: &run}, *raw)
	}
	return cmd
}

func newAccessoryLogs() *cobra.Command {
	return logs(&cobra.Command{
		Use:   "logs NAME",
		Short: "Show what the accessory's container writes",
		Long: `Logs shows the lines of an accessory on all its hosts in the order of time. With -f
it goes on: through restarts and connections that are lost.

  fairlead accessory logs db
  fairlead accessory logs db -f
  fairlead accessory logs db --since 2h --grep ERROR

Exit status: 0, 1 when a host could not be read (the others are), 130 after Ctrl-C.`,
		Args: cobra.ExactArgs(1),
	}, false)
}
