package registry

import (
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	// maxBody bounds what is read of any answer; manifests end at 4 MiB
	// (distribution-spec 1.1, "Pushing Manifests").
	maxBody = 8 << 20
	// maxRetryAfter bounds how long a registry can make us wait.
	maxRetryAfter = 24 * time.Hour
)

// guard is the only way out to a registry. It refuses plain HTTP unless the
// host is loopback or declared insecure (the client library would speak it to
// any private address), bounds bodies, and turns 429 into an error that keeps
// the Retry-After header, which the library drops.
type guard struct {
	next  http.RoundTripper
	plain []string // host[:port] that may speak plain HTTP
}

func newGuard(pool *x509.CertPool, plain []string) *guard {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &guard{plain: plain, next: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       tlsConfig(pool),
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 20 * time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   8,
		ForceAttemptHTTP2:     true,
	}}
}

// limitedError is an answer 429.
type limitedError struct {
	host       string
	retryAfter time.Duration
}

func (e *limitedError) Error() string { return e.host + " answered 429 Too Many Requests" }

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !loopback(req.URL.Hostname()) && !slices.Contains(g.plain, req.URL.Host) {
		return nil, fmt.Errorf("refuse plain HTTP to %s: to allow it, set registries.%s.insecure in fairlead.yml", req.URL.Host, req.URL.Host)
	}
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		_ = resp.Body.Close()
		return nil, &limitedError{host: req.URL.Host, retryAfter: retryAfter(resp.Header.Get("Retry-After"), time.Now())}
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxBody}
	return resp, nil
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when there is none.
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// boundedBody errors, rather than ends, past its bound: a cut-off manifest
// would have a digest too, the wrong one.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("read answer: longer than %d bytes", maxBody)
	}
	return n, err
}
