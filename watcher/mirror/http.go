package mirror

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const maxAdvertisement = 128 << 20 // bytes of a list of refs: about a million of them

// newHTTPTransport is shared by all mirrors, so that repositories on one host
// share connections. No limit per host: one hung repository holds up none.
func newHTTPTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   15 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		IdleConnTimeout:       2 * time.Minute,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:    true, // a body is as long as it looks
	}
}

// smartHTTP talks to a smart HTTP server (git's gitprotocol-http).
type smartHTTP struct {
	client *http.Client
	where  address
	user   string
	token  secret.Value
	base   atomic.Pointer[string] // after a redirect within the host
}

func newSmartHTTP(rt http.RoundTripper, a address, auth Auth) (*smartHTTP, error) {
	h := &smartHTTP{where: a, user: auth.User, token: auth.Token}
	if a.secret != "" && h.token.IsZero() {
		h.token = secret.New(a.secret)
	}
	if a.user != "" {
		h.user = a.user
	}
	if h.user == "" {
		h.user = "x-access-token"
	}
	if a.scheme == "http" && !h.token.IsZero() && !a.loopback() {
		return nil, trouble(ErrAddress, "the token for %s would travel unencrypted; use https", a)
	}
	host := a.host
	if a.port != "" {
		host = net.JoinHostPort(a.host, a.port)
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	base := (&url.URL{Scheme: a.scheme, Host: host, Path: strings.TrimSuffix(a.path, "/")}).String()
	h.base.Store(&base)
	h.client = &http.Client{Transport: rt, CheckRedirect: sameHost}
	return h, nil
}

// sameHost lets a redirect pass only within scheme and host (git's own
// credentials leaked over such, CVE-2026-41506 in go-git).
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	switch {
	case len(via) > 3:
		return trouble(ErrRedirect, "more than three redirects; check the address")
	case req.URL.Host != first.Host || req.URL.Scheme != first.Scheme:
		return trouble(ErrRedirect, "the server sends us on to %s://%s; if that is right, write it as url:", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

func (h *smartHTTP) refs(ctx context.Context, c *choice) (capabilities, error) {
	const service = "/info/refs?service=git-upload-pack"
	resp, err := h.send(ctx, http.MethodGet, *h.base.Load()+service, nil)
	if err != nil {
		return capabilities{}, err
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); kind != "application/x-git-upload-pack-advertisement" {
		return capabilities{}, trouble(ErrNotFound, "%s answers with %q, not as a Git server (dumb HTTP is not supported); check the address", h.where, printable([]byte(kind)))
	}
	if at, ok := strings.CutSuffix(resp.Request.URL.String(), service); ok && at != *h.base.Load() {
		h.base.Store(&at)
	}
	c.smartHTTP = true
	caps, err := readAdvertisement(newLines(&capped{from: resp.Body, left: maxAdvertisement, what: "the list of refs is more than 128 MiB"}), c)
	if err != nil {
		return caps, inTime(ctx, cutOff(err))
	}
	drain(resp.Body)
	return caps, nil
}

func (h *smartHTTP) upload(ctx context.Context, request []byte) (io.ReadCloser, error) {
	resp, err := h.send(ctx, http.MethodPost, *h.base.Load()+"/git-upload-pack", request)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

func (h *smartHTTP) send(ctx context.Context, method, to string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("User-Agent", "git/2.0 (fairlead)") // some servers answer programs named git* only
	if body != nil {
		req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
		req.Header.Set("Accept", "application/x-git-upload-pack-result")
	}
	if !h.token.IsZero() {
		req.SetBasicAuth(h.user, h.token.Reveal())
	}
	resp, err := h.client.Do(req)
	if err != nil {
		if t, ok := errors.AsType[*Trouble](err); ok {
			return nil, t
		}
		return nil, inTime(ctx, because(ErrUnreachable, err, "%s: %v; trying again", h.where, rootCause(err)))
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	drain(resp.Body)
	resp.Body.Close()
	return nil, h.status(resp)
}

// status makes an error of an HTTP status.
func (h *smartHTTP) status(resp *http.Response) error {
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized && h.token.IsZero():
		return trouble(ErrAuth, "%s asks for a login; give a token with read access, or use its ssh address with a deploy key", h.where)
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return trouble(ErrAuth, "%s refuses the token (HTTP %d); check that it is valid and may read the repository", h.where, code)
	case code == http.StatusNotFound:
		return trouble(ErrNotFound, "%s does not exist, or the token may not see it; check both", h.where)
	default:
		t := trouble(ErrUnreachable, "%s answers HTTP %d; trying again", h.where, code)
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			t.RetryAfter = time.Duration(min(s, 3600)) * time.Second
		}
		return t
	}
}

// inTime says that time ran out where that is why err happened.
func inTime(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return timedOut(cause)
	}
	return err
}

// rootCause is the innermost error, without the URL that net/http puts around.
func rootCause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
