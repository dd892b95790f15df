package host

import (
	"context"
	"errors"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// ErrNoShell: the host is reached without SSH.
var ErrNoShell = errors.New("this host is reached through its engine's socket, not by SSH: run the command there yourself")

// Shell runs a person's own command line in the login shell of the SSH user,
// and returns its exit status. Text from a repository must never come here.
func (h *Host) Shell(ctx context.Context, line string, st docker.Streams) (int, error) {
	if h.client == nil {
		return 0, ErrNoShell
	}
	return h.client.Run(ctx, ssh.Command{Line: line, In: st.In, Out: st.Out, Err: st.Err, TTY: st.TTY, Size: st.Size, Resize: st.Resize})
}
