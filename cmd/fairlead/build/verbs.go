// Package build is the verbs by which people make images by hand: build, push.
// Their names and flags are Kamal's.
//
// Lives here: flags, help, exit status. May not live here: the building
// (daemon.ByHand does it).
package build

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon/builders"
)

// Acts are the verbs.
func Acts() []*cobra.Command { return []*cobra.Command{newBuild(), newPush("push", "fairlead push")} }

const what = `It is built of the commit that is checked out, whatever else lies in the folder, by
builder: of deploy.yml: through the BuildKit of this machine's engine, or of
builder.remote over SSH. No docker program is needed. The hook pre-build runs
before, in this folder where it is a file.`

func newBuild() *cobra.Command {
	cmd := verb(builders.Build, &cobra.Command{
		Use: "build", Short: "Build the image of this checkout's commit",
		Long: `Build makes the image IMAGE:VERSION and leaves it with the engine that built it.
` + what + `

A daemon needs none of this: with builder: in deploy.yml and allow: [build] in
fairlead.yml it builds each commit whose image the registry does not have.

  fairlead build
  fairlead build push
  fairlead build details

Exit status: 0 when it is built, 1 when not.`,
	})
	cmd.AddCommand(
		newPush("push", "fairlead build push"),
		verb(builders.Pull, &cobra.Command{
			Use: "pull", Short: "Pull the image of this checkout's commit on every host",
			Long: `Pull brings the image to every host, which makes a later deploy quicker. Nothing is
started. With x-fairlead.transport: load it comes from the builder.

  fairlead build pull

Exit status: 0 when every host has it, 1 when not.`,
		}),
		verb(builders.Deliver, &cobra.Command{
			Use: "deliver", Short: "Build, push, and pull on every host",
			Long: `Deliver is build push, and then build pull.

  fairlead build deliver

Exit status: 0 when every host has the image, 1 when not.`,
		}),
		verb(builders.Dev, &cobra.Command{
			Use: "dev", Short: "Build the folder as it lies here",
			Long: `Dev builds the files of this folder, committed or not, as IMAGE:VERSION-dirty, and
leaves it with the engine that built it.

  fairlead build dev

Exit status: 0 when it is built, 1 when not.`,
		}),
		verb(builders.Details, &cobra.Command{
			Use: "create", Short: "See whether the builder is ready; there is nothing to create",
			Long: `Create is here for those who know it from Kamal: engines build with the BuildKit
that is in them, so no builder has to be made first. It says what details says.

  fairlead build create

Exit status: 0 when every builder answers, 1 when not.`,
		}),
		verb(builders.Remove, &cobra.Command{
			Use: "remove", Short: "Remove the service's images from the builder",
			Long: `Remove takes the images of this service off the engines that build it. What a
container uses stays, and so does the registry's copy.

  fairlead build remove

Exit status: 0 when they are gone, 1 when not.`,
		}),
		verb(builders.Details, &cobra.Command{
			Use: "details", Short: "Show which engines build, and whether they answer",
			Long: `Details asks each engine that deploy.yml's builder: names.

  fairlead build details

Exit status: 0 when every builder answers, 1 when not.`,
		}),
	)
	return cmd
}

func newPush(use, path string) *cobra.Command {
	return verb(builders.Push, &cobra.Command{
		Use: use, Short: "Build the image of this checkout's commit and push it",
		Long: `Push builds IMAGE:VERSION and pushes it, and latest (latest-DESTINATION with -d),
with the account of registry:, which reaches the engine in a header and no command
line.

` + what + `

  ` + path + `
  ` + path + ` --no-cache

Exit status: 0 when it is pushed, 1 when not.`,
	})
}

// verb makes one.
func verb(v builders.Verb, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	file := cmd.Flags().StringP("config-file", "c", "", "deploy.yml (default config/deploy.yml, else deploy.yml)")
	log, destination := cmd.Flags().Bool("log", false, "print the log, too"), command.DestinationFlag(cmd)
	a := builders.Ask{Verb: v}
	if v != builders.Details && v != builders.Remove {
		cmd.Flags().StringVar(&a.Version, "version", "", "the image's tag (default: the commit, as x-fairlead.image_tag says)")
	}
	output := "registry"
	if v != builders.Details && v != builders.Remove && v != builders.Pull {
		cmd.Flags().BoolVar(&a.NoCache, "no-cache", false, "build every step anew")
		cmd.Flags().BoolVarP(&a.SkipHooks, "skip-hooks", "H", false, "run no hooks")
		a.Actor = command.Actor()
	}
	if v == builders.Push {
		cmd.Flags().StringVar(&output, "output", output, "registry, or docker: leave it with the engine that built it")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch output {
		case "registry":
		case "docker":
			a.Verb = builders.Build
		default:
			return command.Hint("write registry or docker", "%q is no place for an image", output)
		}
		return run(cmd, command.LocalFlags{Local: new(true), File: file, Log: log}, *destination, a)
	}
	return cmd
}

func run(cmd *cobra.Command, f command.LocalFlags, destination string, a builders.Ask) error {
	b, err := f.ByHand(cmd, destination)
	if err != nil {
		return err
	}
	defer b.Close()
	err = b.Build(cmd.Context(), a, func(line string) { _ = command.Say(cmd, line+"\n") }) // as much as can be read
	if cmd.Context().Err() != nil {
		return command.ExitError(command.ExitInterrupted)
	}
	if f, ok := errors.AsType[*builders.Failed](err); ok {
		return command.Hint(f.Next, "%w", err)
	}
	return err
}
