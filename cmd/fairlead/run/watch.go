package run

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/itself"
	"github.com/fairlead-deploy/fairlead/internal/systemd"
)

func newWatch() *cobra.Command {
	var rebuild bool
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Run the daemon: watch the repositories and roll out what is pushed",
		Long: `Watch looks at every repository of fairlead.yml, and makes the servers match
what it finds. It runs until SIGTERM or Ctrl-C; a rollout that is under way
then is finished by the next start.

SIGHUP reads fairlead.yml again; a file that is not right leaves the old one
in force.

With --rebuild a damaged database is set aside and a new one begun. Nothing is
redeployed for it; history, holds and quarantines are lost.

  fairlead watch
  fairlead watch --config ./fairlead.yml

Exit status: 0 when told to stop, 1 when it could not start or go on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			conf, err := command.Load(file)
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(50) // it mostly waits: memory is dearer to its machine than its collector's time
			}
			d, err := daemon.New(cmd.Context(), daemon.Options{
				Config: conf, File: file, Reload: hangups(cmd.Context()),
				Version: command.Version(cmd), Log: command.NewLog(conf.Log, cmd.ErrOrStderr()), Rand: command.NewRand(), Binary: itself.Program,
				Manager: systemd.FromEnv(os.Getenv, os.Getpid()), Rebuild: rebuild,
			})
			if err != nil {
				return err
			}
			return errors.Join(d.Run(cmd.Context()), d.Close())
		},
	}
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "set the database aside and begin a new one")
	return cmd
}

// hangups turns SIGHUP into requests to reload.
func hangups(ctx context.Context) <-chan struct{} {
	signals, asked := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGHUP)
	context.AfterFunc(ctx, func() { signal.Stop(signals) })
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				select {
				case asked <- struct{}{}:
				default:
				}
			}
		}
	}()
	return asked
}
