package host

import (
	"context"
	"errors"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// ErrNoShell: the host is reached without SSH.
var ErrNoShell = errors.New("this host is reached through its engine's socket, not by SSH: run the command there yourself")

// Shell runs a person's own command line, or a constant one of ours, in the login
// shell of the SSH user, and returns its exit status. Text from a repository must
// never be in the line.
func (h *Host) Shell(ctx context.Context, line string, st docker.Streams) (int, error) {
	if h.client == nil {
		return 0, ErrNoShell
	}
	return h.client.Run(ctx, ssh.Command{Line: line, In: st.In, Out: st.Out, Err: st.Err, TTY: st.TTY, Size: st.Size, Resize: st.Resize})
}

// Login is Shell for constant command lines of ours; nil where the host is
// reached without SSH.
func (h *Host) Login() func(ctx context.Context, line string, st docker.Streams) (int, error) {
	if h.client == nil {
		return nil
	}
	return h.Shell
}
