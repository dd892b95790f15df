package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newRegistry() *cobra.Command {
	login := func(use, short string) *cobra.Command {
		return plain(operation.RegistryLogin, &cobra.Command{
			Use: use, Short: short,
			Long: `The engine of every host tries the account of deploy.yml. No login is left on the
hosts, since each pull brings the account with it; so nothing expires there.

  fairlead registry ` + use + `

Exit status: 0 when the registry takes it everywhere, 1 when not.`,
		})
	}
	logout := func(use, short string) *cobra.Command {
		return plain(operation.RegistryLogout, &cobra.Command{
			Use: use, Short: short,
			Long: `The account of this registry is taken out of ~/.docker/config.json on every host:
what kamal registry login left there. Fairlead leaves none.

  fairlead registry ` + use + `

Exit status: 0 when it is gone, 1 when not.`,
		})
	}
	return command.Group(&cobra.Command{
		Use: "registry", Short: "Try the registry's account from the servers, or log out there",
		Long: `Registry is about the account that images are pulled with.

  fairlead registry login
  fairlead registry logout

Exit status: that of the command below.`,
	},
		login("login", "Try the account from every host"),
		logout("logout", "Remove the login that Kamal left on the hosts"),
		login("setup", "The same as login: a remote registry needs no more"),
		logout("remove", "The same as logout"),
	)
}
