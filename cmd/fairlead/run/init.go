package run

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/internal/setup/start"
)

func newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a deploy.yml, secrets and hook samples to begin with",
		Long: `Init writes config/deploy.yml, .kamal/secrets and samples of hooks into the
checkout that it is called in. The service's name and the registry come from
Git's remote (ghcr.io for GitHub, registry.gitlab.com for GitLab), the port from
Dockerfile, Procfile, package.json or Gemfile. A file that is there stays as it is.

Exit status: 0 done, 1 something could not be written.`,
		Example: `  cd shop && fairlead init`,
		Args:    cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p := start.Detect(".")
		out, err := start.Write(".", p)
		if err != nil {
			return err
		}
		if *asJSON {
			text, err := json.Marshal(struct {
				Project start.Project `json:"project"`
				Outcome start.Outcome `json:"outcome"`
			}{p, out})
			if err != nil {
				return err
			}
			return command.Say(cmd, string(text)+"\n")
		}
		return command.Say(cmd, begun(out))
	}
	return cmd
}

// begun says what was written, and what to do next.
func begun(out start.Outcome) string {
	var b strings.Builder
	for _, name := range out.Written {
		fmt.Fprintln(&b, "wrote", name)
	}
	for _, name := range out.Kept {
		fmt.Fprintln(&b, "kept ", name, "(it was there)")
	}
	if out.Exposed {
		b.WriteString("\n.kamal/secrets is not in .gitignore: keep values out of it, or add it there.\n")
	}
	b.WriteString(`
Next:
  1. put your servers and the registry's user into config/deploy.yml
  2. fairlead config           # what the file means, mistakes with their place
  3. fairlead plan             # what a deploy would do
  4. commit, and where the daemon runs: fairlead repo add URL
`)
	return b.String()
}
