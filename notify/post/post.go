// Package post makes one HTTP request the way every channel must: with a
// deadline, without following redirects, reading a bounded reply, never
// dialling a link-local or metadata address, and with errors that do not
// contain the URL, which is often the secret.
//
// Lives here: that. May not live here: what is sent, and retries.
package post

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
)

// Deadline bounds one request from dial to the end of the reply.
const Deadline = 10 * time.Second

// maxReply is how much of a reply is read.
const maxReply = 64 << 10

var errDeadline = errors.New("no answer within 10 s")

// Client sends requests. Its zero value does not work; see New.
type Client struct{ http *http.Client }

// New makes a client. A proxy from the environment (HTTPS_PROXY) is used; then
// the proxy's address is the one that is checked.
func New() *Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, ControlContext: control}
	return &Client{http: &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConnsPerHost:    2,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// HTTP is the client itself, for what is more than one request, such as a
// websocket. Errors of it have the URL in them, and it has no deadline.
func (c *Client) HTTP() *http.Client { return c.http }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one request.
type Request struct {
	Method string // "" = POST
	URL    secret.Value
	Header http.Header
	Body   []byte
}

// Reply is a bounded reply.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// Check classifies the reply's status, see notify.CheckStatus.
func (r Reply) Check() error {
	return notify.CheckStatus(r.Status, r.Header.Get("Retry-After"), string(r.Body), time.Now())
}

// Do sends a request. Its error is a *notify.Error: Broken for an address that
// cannot be right, else Temporary.
func (c *Client) Do(ctx context.Context, r Request) (Reply, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Deadline, errDeadline)
	defer cancel()
	reply, err := c.do(ctx, r)
	if err == nil {
		return reply, nil
	}
	kind := notify.Temporary
	if errors.Is(err, errAddress) {
		kind = notify.Broken
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return Reply{}, &notify.Error{Kind: kind, Err: err}
}

func (c *Client) do(ctx context.Context, r Request) (_ Reply, err error) {
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL.Reveal(), bytes.NewReader(r.Body))
	if err != nil {
		return Reply{}, fmt.Errorf("read address: %w", errAddress) // err has the URL in it
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "fairlead")
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, withoutURL(err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return Reply{}, fmt.Errorf("read reply: %w", withoutURL(err))
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// withoutURL drops the URL that net/http puts into its errors.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("send: %w", e.Err)
	}
	return err
}

// errAddress says that an address may not be called, or is none.
var errAddress = errors.New("this address cannot be used: write an http:// or https:// one that is not link-local")

// CheckURL tells whether an address can be called at all. Its error does not
// contain the address.
func CheckURL(v secret.Value) error {
	u, err := url.Parse(v.Reveal())
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errAddress
	}
	return nil
}

// control looks at the address that is really dialled, after DNS, so that a
// name cannot rebind to it.
func control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || Denied(ap.Addr()) {
		return errAddress
	}
	return nil
}

// Denied tells addresses that no message may go to: link-local ones, where
// clouds answer with credentials, and the metadata services elsewhere (AWS
// fd00:ec2::254, Alibaba 100.100.100.200), also when mapped or translated
// (RFC 4291 2.5.5, RFC 6052).
func Denied(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64 := netip.MustParsePrefix("64:ff9b::/96"); nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch a.String() {
	case "fd00:ec2::254", "100.100.100.200":
		return true
	}
	return a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsMulticast() || a.IsUnspecified()
}
