package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

const (
	probeTimeout = 5 * time.Second
	// probeBody is how much of an answer is read, in bytes, before the connection is closed.
	probeBody = 4 << 10
	// probeHeader bounds an answer's header, in bytes.
	probeHeader = 64 << 10
)

// probe asks an address for whoever can run a command here but cannot reach it himself.
func (c *commands) probe() *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use: "probe <url>", Short: "Ask a URL once and print the status code", Args: cobra.ExactArgs(1),
		Long: "Send one GET from where the proxy is and print the status code of the answer, whatever it is. Redirects are\nnot followed. When nothing answers, the reason is on standard error and the exit status is 1.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), limit, fmt.Errorf("no answer within %s", limit))
			defer cancel()
			status, err := probe(ctx, args[0])
			if err != nil {
				return fmt.Errorf("probe: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), status)
			return err
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", probeTimeout, "how long to wait for the answer")
	return cmd
}

func probe(ctx context.Context, address string) (status int, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, err
	}
	if u.Scheme != "http" || u.Host == "" {
		return 0, fmt.Errorf("%q is not http://HOST:PORT/PATH", address)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "fairlead-health")
	transport := &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: probeHeader}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, probeBody) // an answer is an answer, whatever becomes of its body
	_ = resp.Body.Close()
	return resp.StatusCode, nil
}
