package command

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release"
)

// ByHand is the service of a checkout, to work on without a daemon.
type ByHand struct {
	*daemon.ByHand
	Checkout *daemon.Checkout
}

// Close ends its connections.
func (b *ByHand) Close() error { return errors.Join(b.ByHand.Close(), b.Checkout.Close()) }

// Lane is what the checkout deploys.
func (b *ByHand) Lane() release.Lane { return b.Checkout.Lane() }

// ByHand prepares to work on the service of the checkout that this is called
// in.
func (f LocalFlags) ByHand(cmd *cobra.Command, destination string) (_ *ByHand, err error) {
	checkout, err := f.checkout(destination)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, checkout.Close())
		}
	}()
	conf, err := Operator(cmd)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if *f.Log {
		log = NewLog(config.Log{Level: "debug"}, cmd.ErrOrStderr())
	}
	hands, err := daemon.OpenByHand(cmd.Context(), checkout, daemon.LocalOptions{
		Config: conf, Version: Version(cmd), Log: log, Rand: NewRand(), Binary: Program,
	})
	if err != nil {
		return nil, err
	}
	for _, note := range hands.Notes() {
		Warn(cmd, "%s", note)
	}
	return &ByHand{hands, checkout}, nil
}
