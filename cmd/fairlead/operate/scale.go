package operate

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/server"
)

func newScale() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scale ROLE=N …", Short: "Run so many containers of a role on each host, without a gap",
		Long: `Scale starts further containers of what is live, healthy first, or stops those
that are too many once the others have their requests. The service stays there,
whatever is pushed, until fairlead resume; then deploy.yml's own number counts
again (x-fairlead: { roles: { web: { scale: 3 } } }).

  fairlead app scale web=3
  fairlead app scale web=3 worker=2 --follow

Exit status: that of fairlead deploy.`,
		Args: cobra.MinimumNArgs(1),
	}
	f := command.AddFollowFlags(cmd)
	service := cmd.Flags().String("service", "", "the service, where there are several (default: that of this checkout)")
	destination, local := command.DestinationFlag(cmd), command.AddLocalFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		scale, err := scaleOf(args)
		if err != nil {
			return err
		}
		o := server.Order{Action: server.Scale, Scale: scale}
		return command.Wish{Name: *service, Destination: *destination, Order: o, Follow: f, Local: local}.CarryOut(cmd)
	}
	return cmd
}

// scaleOf reads ROLE=N, each role once.
func scaleOf(args []string) (map[string]int, error) {
	scale := map[string]int{}
	for _, arg := range args {
		role, number, ok := strings.Cut(arg, "=")
		n, err := strconv.Atoi(number)
		if !ok || role == "" || err != nil || n < 1 || n > server.MaxScale {
			return nil, command.Hint("as in `fairlead app scale web=3`; `fairlead app stop --roles ROLE` runs none", "%q is no ROLE=N with a number from 1 to %d", arg, server.MaxScale)
		}
		if _, twice := scale[role]; twice {
			return nil, command.Hint("name each role once", "%s is named twice", role)
		}
		scale[role] = n
	}
	return scale, nil
}
