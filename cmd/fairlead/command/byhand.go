package command

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/release"
)

// ByHand is the service of a checkout, to work on without a daemon.
type ByHand struct {
	*daemon.ByHand
	Checkout *daemon.Checkout
	notes    notes
}

// Close ends its connections.
func (b *ByHand) Close() error {
	b.notes.tell()
	return errors.Join(b.ByHand.Close(), b.Checkout.Close())
}

// Lane is what the checkout deploys.
func (b *ByHand) Lane() release.Lane { return b.Checkout.Lane() }

// ByHand prepares to work on the service of the checkout that this is called
// in.
func (f LocalFlags) ByHand(cmd *cobra.Command, destination string) (*ByHand, error) {
	checkout, o, err := f.prepare(cmd, destination)
	if err != nil {
		return nil, err
	}
	hands, err := daemon.OpenByHand(cmd.Context(), checkout, o)
	if err != nil {
		return nil, errors.Join(err, checkout.Close())
	}
	b := &ByHand{hands, checkout, notes{cmd: cmd, all: hands.Notes}}
	b.notes.tell()
	return b, nil
}
