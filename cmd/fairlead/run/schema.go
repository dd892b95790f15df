package run

import (
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/internal/setup/schema"
)

func newSchema() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema [deploy|fairlead]",
		Short: "Print the JSON Schema of deploy.yml or fairlead.yml, for editors",
		Long: `Schema prints what deploy.yml (the default) or fairlead.yml may say, for editors
that complete and check YAML. It is drawn from the code that reads the files. A
file names it in its first line, as the one of fairlead init does:

  # yaml-language-server: $schema=URL

Exit status: 0 printed, 1 there is none of that name.`,
		Example: `  fairlead schema > deploy.schema.json
  fairlead schema fairlead`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"deploy", "fairlead"},
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := command.First(args)
		if file == "" {
			file = "deploy"
		}
		text, err := schema.Of(file)
		if err != nil {
			return err
		}
		return command.Say(cmd, string(text))
	}
	return cmd
}
