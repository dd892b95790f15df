package operate

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

func newDetails() *cobra.Command {
	return plain(operation.Details, &cobra.Command{
		Use: "details", Short: "Show every container of a service, of its accessories, and the proxies",
		Long: `Details asks every host what runs there for the service now: its containers, those
that are kept for rollbacks, its accessories, and the proxy. fairlead status tells
how the service stands instead.

  fairlead details
  fairlead details --service shop -d staging

Exit status: 0, or 1 when a host could not be asked; the others are shown.`,
	})
}

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "audit", Short: "Show the audit log on each host: what Kamal and people did",
		Long: `Audit shows the last lines of the log that Kamal keeps on each host, where Fairlead
writes what people do by hand, too. Releases are in fairlead history.

  fairlead audit
  fairlead audit -n 200 --hosts web1.example.com

Exit status: 0, or 1 when a host could not be asked.`,
		Args: cobra.NoArgs,
	}
	c := choose(cmd)
	n := cmd.Flags().IntP("lines", "n", 50, "how many of the last lines")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := c.open(cmd)
		if err != nil {
			return err
		}
		defer s.close()
		p := newPrinter(cmd, *c.asJSON)
		p.bare = true // each line has its time
		err = s.Operate(cmd.Context(), c.ask(s, operation.Ask{Verb: operation.Audit, Lines: *n}), operation.Caller{Tell: p.tell})
		return p.end(cmd, err)
	}
	return cmd
}
