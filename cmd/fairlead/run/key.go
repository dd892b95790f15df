package run

import (
	"crypto/rand"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/internal/setup"
)

func newKey() *cobra.Command {
	return &cobra.Command{
		Use:   "key",
		Short: "Show the public key that hosts must let in; make one where there is none",
		Long: `Key prints the public part of fairlead.yml's ssh.key, one line for the
~/.ssh/authorized_keys of the user on each host. Where the key does not exist
yet, it is made: ed25519, mode 0600.

Exit status: 0, or 1 when the key cannot be read or made.`,
		Example: `  fairlead key | ssh root@web1.example.com 'cat >> .ssh/authorized_keys'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := command.NeedOperator(cmd)
			if err != nil {
				return err
			}
			key, err := setup.HostsKey(conf, rand.Reader)
			if err != nil {
				return err
			}
			if key.Made {
				command.Warn(cmd, "made a new key, %s", key.File)
			}
			return command.Say(cmd, key.Line+"\n")
		},
	}
}
