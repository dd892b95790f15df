package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newEject() *cobra.Command {
	cmd := &cobra.Command{
		Use: "eject", Short: "Leave a service to Kamal: proxy, tags and files as its commands expect",
		Long: `Eject leaves the service's servers as if Kamal had deployed what runs there. No
container of the service is touched. It is held, so that nothing follows Git and
nothing is mended; each server gets the files of secret variables and the tag
latest that Kamal expects; and where the proxy is Fairlead's own, kamal-proxy takes
its place, host by host, with all routes. Connections are refused meanwhile, for
some seconds; it says how long.

  fairlead eject
  fairlead eject -d staging -y

kamal-proxy's image is the one that proxy.run names. It asks for the service's name
first. Afterwards take the repository out of fairlead.yml (fairlead repo remove);
fairlead resume takes the service back instead.

Exit status: 0 when Kamal can go on from here, 1 when not on every host.`,
		Args: cobra.NoArgs,
	}
	return ending(operation.Eject, cmd, func(name string) string {
		return "leaves " + name + " to Kamal; its proxies refuse connections for some seconds"
	})
}
