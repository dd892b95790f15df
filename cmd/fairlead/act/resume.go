package act

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/server"
)

func newResume() *cobra.Command {
	return newOrder(server.Resume, &cobra.Command{
		Use:        "resume [SERVICE]",
		Short:      "Follow Git again after a hold, a rollback or a first contact",
		SuggestFor: []string{"unhold", "continue", "unlock", "release"},
		Long: `Resume ends a hold and rolls the newest commit out. It also says yes to the first
contact: where a service's containers were started by somebody else, Fairlead
waits for it before it changes anything.

  fairlead plan shop                    # what it would do
  fairlead resume shop

Exit status: 0 when the servers run the newest commit (or, where it is not
followed, when the order was accepted), 1 when not, 130 after Ctrl-C.`,
	})
}
