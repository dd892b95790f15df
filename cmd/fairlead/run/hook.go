package run

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
)

func newHook() *cobra.Command {
	cmd := &cobra.Command{
		Use:        "hook [REPOSITORY]",
		Short:      "Print a post-receive hook for a bare Git repository",
		SuggestFor: []string{"webhook"},
		Long: `Hook prints a script for a bare repository of your own, so that a plain git push
is deployed at once. The repository needs, in fairlead.yml,

  webhook: { provider: generic, secret: { file: PATH } }

and on the Git server the same secret beside the hook:

  fairlead hook shop > shop.git/hooks/post-receive
  chmod +x shop.git/hooks/post-receive
  install -m 600 SECRET shop.git/hooks/fairlead.secret

--url is how the Git server reaches the daemon, where that is not listen:.

Exit status: 0, or 1 where the repository is unknown or has no such webhook.`,
		Args: cobra.MaximumNArgs(1),
	}
	url := cmd.Flags().String("url", "", "the daemon's address as the Git server sees it, such as https://deploy.example.com")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conf, err := command.NeedOperator(cmd)
		if err != nil {
			return err
		}
		name, r, err := command.Repository(conf, command.First(args))
		if err != nil {
			return err
		}
		if r.Webhook == nil || r.Webhook.Provider != "generic" {
			return command.Hint(fmt.Sprintf("add `webhook: { provider: generic, secret: { file: PATH } }` to repositories.%s in fairlead.yml", name),
				"repository %s has no generic webhook for the hook to call", name)
		}
		if *url == "" {
			if conf.Listen == "" {
				return command.Hint("name the daemon's address with --url", "fairlead.yml says `listen: none`")
			}
			*url = "http://" + conf.Listen
		}
		return command.Say(cmd, daemon.PostReceive(*url, r.Watched))
	}
	return cmd
}
