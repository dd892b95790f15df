package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"

	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
)

// Dialer opens a connection from the host's point of view.
type Dialer interface {
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// maxBody is how much of an answer's body is read before the connection closes.
const maxBody = 4 << 10

// Get asks for path through dialer and returns the status. It follows no
// redirect: 301 to elsewhere is not healthy.
func Get(ctx context.Context, d Dialer, address string, port int, path string) (int, error) {
	transport := &http.Transport{
		DialContext:            d.Dial,
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	defer transport.CloseIdleConnections()
	url := "http://" + net.JoinHostPort(address, strconv.Itoa(port)) + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("probe: %w", err)
	}
	req.Header.Set("User-Agent", "fairlead-health")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	return resp.StatusCode, nil
}

// reason shortens a connection error to what a person wants to know.
func reason(err error) string {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, ssh.ErrRefused):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "connection closed without an answer"
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return err.Error()
}
