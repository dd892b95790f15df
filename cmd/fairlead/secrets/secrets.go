// Package secrets is the verbs by which a person asks vaults, as Kamal's do:
// `fairlead secrets fetch`, `extract` and `print`. Those that change the
// operator's file are `fairlead secret`, in package run.
//
// One file: flags, help and exit status. Vaults are internal/secret/adapter's.
package secrets

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/internal/secret/adapter"
)

// Verbs are all of them.
func Verbs() []*cobra.Command {
	return []*cobra.Command{command.Group(&cobra.Command{
		Use:   "secrets",
		Short: "Ask vaults for secrets, as `kamal secrets` does",
		Long: `Secrets asks a vault through its vendor's program, as the person who calls it, and
takes single secrets out of the answer. In .kamal/secrets these commands, and the
same of kamal, are carried out within Fairlead:

  SECRETS=$(kamal secrets fetch -a 1password --account acme --from Prod/API KEY URL)
  KEY=$(kamal secrets extract KEY $SECRETS)

The daemon does so where fairlead.yml allows it (allow: [commands]), with PATH,
HOME and the variables of the repository's secrets: { env: [NAME] }.

  fairlead secrets fetch -a doppler --from shop/prd KEY

Exit status: 0, or 1 when it could not be done.`,
	}, newFetch(), newExtract(), newPrint())}
}

func newFetch() *cobra.Command {
	var q adapter.Query
	cmd := &cobra.Command{
		Use:   "fetch -a ADAPTER NAME...",
		Short: "Fetch secrets from a vault, as JSON for extract",
		Long: `Fetch asks a vault and prints names and values as one JSON object, escaped for a
shell as Kamal does; --json prints it plain. Adapters: 1password (op), bitwarden
(bw), bitwarden-sm (bws), lastpass (lpass), aws_secrets_manager (aws), doppler,
gcp (gcloud), enpass (enpass-cli; the account is the vault's folder), passbolt.

  fairlead secrets fetch -a 1password --from Prod/API KEY db/URL
  fairlead secrets fetch -a aws_secrets_manager prod/shop --json | jq

Exit status: 0, or 1 when a secret could not be had; nothing is printed then.`,
	}
	cmd.Flags().StringVarP(&q.Adapter, "adapter", "a", "", "the vault: "+strings.Join(adapter.Names(), ", "))
	cmd.Flags().StringVar(&q.Account, "account", "", "the account, profile or user there")
	cmd.Flags().StringVar(&q.From, "from", "", "a vault, item, folder or project before each name")
	asJSON, _ := command.JSONFlag(cmd), hidden(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if q.Adapter == "" {
			return command.Hint("there are "+strings.Join(adapter.Names(), ", "), "name the vault with -a")
		}
		q.Names = args
		values, err := adapter.Fetch(cmd.Context(), q, secrets.AttendedVendor("", nil))
		if err != nil {
			return err
		}
		text := adapter.Object(values).Reveal()
		if !*asJSON {
			text = adapter.Escape(text)
		}
		return command.Say(cmd, text+"\n")
	}
	return cmd
}

// hidden adds the flag that Kamal adds to commands in its secrets files.
func hidden(cmd *cobra.Command) *bool {
	inline := cmd.Flags().Bool("inline", false, "")
	_ = cmd.Flags().MarkHidden("inline")
	return inline
}

func newExtract() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "extract NAME JSON",
		Short: "Print one secret out of what fetch printed",
		Long: `Extract prints the secret of a name, whole or after the last slash. What fetch
printed is given escaped or plain. It is for .kamal/secrets: on a shell's command
line every user of the machine could see it.

  fairlead secrets extract KEY "$SECRETS"

Exit status: 0, or 1 when it is not there.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := adapter.Extract(args[0], secret.New(args[1]))
			if err != nil {
				return err
			}
			return command.Say(cmd, v.Reveal()+"\n")
		},
	}
	hidden(cmd)
	return cmd
}

func newPrint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the secrets of this checkout, with their values",
		Long: `Print shows what the checkout's secrets files give you, decrypted and fetched, as
NAME=value. It never asks the daemon.

  fairlead secrets print -d staging

Exit status: 0, or 1 when one of them could not be had.`,
		Args: cobra.NoArgs,
	}
	destination := command.DestinationFlag(cmd)
	file := cmd.Flags().StringP("config-file", "c", "", "the checkout's deploy.yml (default config/deploy.yml, else deploy.yml)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, err := daemon.OpenCheckout(".", *file, *destination)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		source, err := secrets.OfPerson(cmd.Context(), ".", c.Files(), c.Deploy.Destination, c.Deploy.SecretsPath)
		if err != nil {
			return err
		}
		names := source.Names()
		var out strings.Builder
		for _, name := range names {
			v, found, err := source.Lookup(name)
			if err == nil && !found {
				err = source.Missing([]string{name})
			}
			if err != nil {
				return err
			}
			out.WriteString(name + "=" + v.Reveal() + "\n")
		}
		return command.Say(cmd, out.String())
	}
	return cmd
}
