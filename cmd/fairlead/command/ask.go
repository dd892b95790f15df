package command

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/place"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// Operator reads fairlead.yml; nil where there is none and none was named.
func Operator(cmd *cobra.Command) (*config.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	c, err := config.Load(file)
	unasked := !cmd.Flags().Changed("config") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission))
	if unasked {
		return nil, nil
	}
	return c, err
}

// NeedOperator is Operator for verbs that cannot do without.
func NeedOperator(cmd *cobra.Command) (*config.Config, error) {
	c, err := Operator(cmd)
	if err == nil && c == nil {
		file, _ := cmd.Flags().GetString("config")
		err = Hint("name it with `--config PATH`, or make one with `fairlead install`", "there is no %s that can be read", file)
	}
	return c, err
}

// Asking is a conversation with the daemon.
type Asking struct {
	*client.Client
	Conf     *config.Config // fairlead.yml, nil where it cannot be read
	Standing server.Status  // how everything stands
}

// knock is how long a daemon has to say that it is there.
const knock = 20 * time.Second

// Ask finds the daemon; client.ErrNoDaemon where there is none.
func Ask(cmd *cobra.Command) (*Asking, error) {
	conf, err := Operator(cmd)
	if err != nil {
		return nil, err
	}
	socket, err := cmd.Flags().GetString("socket")
	if err != nil {
		return nil, err
	}
	if conf != nil {
		socket = cmp.Or(socket, conf.Socket)
	}
	a := &Asking{Client: client.New(cmp.Or(socket, config.DefaultSocket)), Conf: conf}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), knock, errors.New("the daemon does not answer; see its log"))
	defer cancel()
	if a.Standing, err = a.Status(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Place finds what a person means.
func (a *Asking) Place(name, destination string) (place.Place, error) {
	return place.Find(a.Places(), name, destination)
}

// Places are all that a person can mean.
func (a *Asking) Places() []place.Place { return place.All(a.Standing, a.Conf) }

// Service returns how a lane stands, nil before its first release.
func (a *Asking) Service(p place.Place) *server.Service {
	i := slices.IndexFunc(a.Standing.Services, func(s server.Service) bool { return s.Repo == p.Repo && s.Lane == p.Lane })
	if i < 0 {
		return nil
	}
	return &a.Standing.Services[i]
}

// First returns an argument, "" where it was left out.
func First(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// DefaultConfig is fairlead.yml here, else the installed one.
func DefaultConfig() string {
	if _, err := os.Stat("fairlead.yml"); err == nil {
		return "fairlead.yml"
	}
	return "/etc/fairlead/fairlead.yml"
}
