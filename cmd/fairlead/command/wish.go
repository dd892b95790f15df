package command

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// Wish is what a person types who may or may not have a daemon.
type Wish struct {
	Name, Destination string
	Order             server.Order
	Follow            FollowFlags
	Local             LocalFlags
}

// CarryOut asks the daemon for it, or does it alone.
func (w Wish) CarryOut(cmd *cobra.Command) error {
	if !*w.Local.Local {
		a, err := Ask(cmd)
		if err == nil {
			defer a.Close()
			p, err := a.Place(w.Name, w.Destination)
			if err != nil {
				return err
			}
			return a.Order(cmd, w.Order, p, w.Follow)
		}
		if !errors.Is(err, client.ErrNoDaemon) {
			return err
		}
	}
	l, err := w.Local.Open(cmd, w.Destination)
	if err != nil {
		return err
	}
	defer l.Close()
	switch {
	case l.Means(w.Name):
	case w.Order.Action == server.Rollback && w.Order.Version == "":
		w.Order.Version = w.Name
	default:
		return l.Elsewhere(w.Name)
	}
	return l.do(cmd, w.Order, w.Follow)
}

// Elsewhere says that a checkout is not of what was named.
func (l *Alone) Elsewhere(name string) error {
	return Hint("leave the name out, or go to its checkout", "no daemon answers, and this checkout is of %s, not of %s", l.checkout.Lane(), name)
}
