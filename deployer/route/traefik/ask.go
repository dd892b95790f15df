package traefik

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
)

// question is asked at Traefik's entrypoint for Fairlead.
type question struct{ host, path string }

// answer is how Traefik answers one.
type answer struct {
	status int
	mark   string // the assignment by which it came, "" for none
}

// unreached tells that the answer is Traefik's own about containers that do
// not answer.
func (a answer) unreached() bool {
	return a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout
}

var errNoWay = errors.New("the host lets nobody reach Traefik: neither by forwarding through ssh nor by wget in its container")

// maxBody is how much of an answer is read, in bytes.
const maxBody = 64 << 10

// ask puts a question: from the host, else within the container.
func (d *Driver) ask(ctx context.Context, box container.Observed, q question) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTime, fmt.Errorf("no answer within %s", askTime))
	defer cancel()
	got, err := d.fromHost(ctx, box.Addresses[plan.Network], q)
	if errors.Is(err, ssh.ErrProhibited) || errors.Is(err, host.ErrNoRoute) {
		return d.fromInside(ctx, box.ID, q)
	}
	return got, err
}

func (d *Driver) fromHost(ctx context.Context, address string, q question) (answer, error) {
	if address == "" {
		return answer{}, errors.New("no address of Traefik in the network " + plan.Network)
	}
	transport := &http.Transport{DialContext: d.Dialer.Dial, DisableKeepAlives: true, MaxResponseHeaderBytes: maxBody}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, strconv.Itoa(traefik.Port))+q.path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = q.host
	req.Header.Set("User-Agent", "fairlead-health")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody)
	return answer{resp.StatusCode, resp.Header.Get(traefik.Marker)}, nil
}

var (
	statusLine = regexp.MustCompile(`(?m)^\s*HTTP/1\.[01] (\d{3})`)
	markLine   = regexp.MustCompile(`(?mi)^\s*` + traefik.Marker + `: *([0-9a-f]+)`)
)

// fromInside asks with the wget of Traefik's image, which is made of Alpine's.
func (d *Driver) fromInside(ctx context.Context, id string, q question) (answer, error) {
	res, err := d.Engine.Exec(ctx, id, []string{
		"wget", "-q", "-S", "-O", "/dev/null", "-T", "4", "--header", "Host: " + q.host, "http://127.0.0.1:" + strconv.Itoa(traefik.Port) + q.path,
	}, nil)
	if err != nil {
		return answer{}, err
	}
	said := res.Stdout + res.Stderr
	status := statusLine.FindStringSubmatch(said)
	if status == nil {
		if res.ExitCode >= 126 { // no such program
			return answer{}, errNoWay
		}
		return answer{}, fmt.Errorf("wget ends with %d", res.ExitCode)
	}
	code, _ := strconv.Atoi(status[1])
	got := answer{status: code}
	if m := markLine.FindStringSubmatch(said); m != nil {
		got.mark = m[1]
	}
	return got, nil
}
