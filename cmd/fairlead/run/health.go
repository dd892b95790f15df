package run

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// healthTimeout is shorter than Docker's default for a HEALTHCHECK, 30 s.
const healthTimeout = 5 * time.Second

func newHealth() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Tell whether the daemon is well, for HEALTHCHECK and monitors",
		Long: `Health asks the daemon at its socket, and where that cannot be reached at its
listen: address, whether it is alive and its memory answers. It takes 5 s at most.

  HEALTHCHECK CMD ["fairlead", "health"]

Exit status: 0 well, 1 not well or no daemon.`,
		Args: cobra.NoArgs,
	}
	asJSON := command.JSONFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conf, err := command.Operator(cmd)
		if err != nil {
			return err
		}
		socket, err := cmd.Flags().GetString("socket")
		if err != nil {
			return err
		}
		listen := config.DefaultListen
		if conf != nil {
			socket, listen = cmp.Or(socket, conf.Socket), conf.Listen
		}
		ctx, cancel := context.WithTimeoutCause(cmd.Context(), healthTimeout, errors.New("the daemon did not answer within 5s; see its log"))
		defer cancel()
		c := client.New(cmp.Or(socket, config.DefaultSocket))
		defer c.Close()
		_, err = c.Health(ctx)
		if err != nil && listen != "" && healthy(ctx, listen) {
			err = nil
		}
		switch {
		case err != nil:
			return err
		case *asJSON:
			return command.SayJSON(cmd, map[string]string{"status": "ok"})
		}
		return command.Say(cmd, "ok\n")
	}
	return cmd
}

// healthy asks the daemon's TCP address.
func healthy(ctx context.Context, listen string) bool {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/health", nil)
	if err != nil {
		return false
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}
