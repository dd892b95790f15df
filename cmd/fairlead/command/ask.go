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
	c, err := Load(file)
	unasked := !cmd.Flags().Changed("config") && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission))
	if unasked {
		return nil, nil
	}
	return c, err
}

// Load reads a fairlead.yml; where there is none, the error says how to come by
// one.
func Load(file string) (*config.Config, error) {
	c, err := config.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = Hint("`fairlead install` makes one, and --config says where it is", "%w", err)
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

// Ask finds the daemon; client.ErrNoDaemon where there is none. One that runs
// is asked though fairlead.yml was made wrong since: Conf is nil then.
func Ask(cmd *cobra.Command) (*Asking, error) {
	conf, wrong := Operator(cmd)
	if _, ok := errors.AsType[config.Problems](wrong); wrong != nil && !ok {
		return nil, wrong
	}
	socket, err := cmd.Flags().GetString("socket")
	if err != nil {
		return nil, err
	}
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	switch {
	case conf != nil:
		socket = cmp.Or(socket, conf.Socket)
	case wrong != nil:
		socket = cmp.Or(socket, config.SocketOf(file))
	}
	a := &Asking{Client: client.New(cmp.Or(socket, config.DefaultSocket)), Conf: conf}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), knock, errors.New("the daemon does not answer; see its log"))
	defer cancel()
	if a.Standing, err = a.Status(ctx); err != nil {
		a.Close()
		if wrong != nil {
			err = wrong
		}
		return nil, err
	}
	if wrong != nil {
		Warn(cmd, "%s is not right, and the daemon goes by the one that it read before; `fairlead check` names the mistakes", file)
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
