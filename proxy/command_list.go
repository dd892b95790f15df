package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

func (c *commands) list() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "Show the services and where their requests go", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			services, err := c.client().List(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(services)
			}
			return writeTable(cmd.OutOrStdout(), services)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "all of it, options included, as JSON")
	return cmd
}

// writeTable writes the table of kamal-proxy.
func writeTable(w io.Writer, services []control.Service) error {
	table := tabwriter.NewWriter(w, 0, 0, 4, ' ', 0)
	rows := [][]string{{"Service", "Host", "Path", "Target", "State", "TLS"}}
	for _, s := range services {
		secure := "no"
		if s.Options.TLS.Enabled {
			secure = "yes"
		}
		rows = append(rows, []string{s.Name, or(s.Options.Hosts, "*"), or(s.Options.PathPrefixes, "/"),
			strings.Join(s.Targets, ","), string(s.State), secure})
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(table, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return table.Flush()
}

func or(all []string, none string) string {
	if len(all) == 0 {
		return none
	}
	return strings.Join(all, ",")
}
