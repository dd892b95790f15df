package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"time"
)

// statusClientClosed stands in the log for a client that did not wait (nginx's number).
const statusClientClosed = 499

// forward sends the request to a target and the answer back. ctx ends with the request, or when the
// drain of its target cuts it.
func (x *exchange) forward(ctx context.Context) {
	req := x.req.WithContext(ctx)
	o := x.service.options
	if req.ContentLength != 0 {
		defer context.AfterFunc(ctx, func() { x.unblock(ctx) })()
	}
	if limit := o.MaxRequestBody; limit > 0 {
		if req.ContentLength > limit {
			x.page(http.StatusRequestEntityTooLarge, "")
			return
		}
		req.Body = http.MaxBytesReader(x.w, req.Body, limit)
	}
	if o.BufferRequests && req.Body != nil && req.Body != http.NoBody && !upgrade(req) {
		body, size, err := x.router.buffer(req.Body, o.BufferMemory, 0)
		if err != nil {
			x.fail(x.w, req, err)
			return
		}
		defer func() { _ = body.Close() }()
		req.Body, req.ContentLength, req.TransferEncoding = body, size, nil
	}
	proxy := httputil.ReverseProxy{
		Rewrite:        x.rewrite,
		Transport:      x,
		ModifyResponse: x.modify,
		ErrorHandler:   x.fail,
		FlushInterval:  -1, // whatever a target writes goes on at once
		BufferPool:     &x.router.buffers,
		ErrorLog:       slog.NewLogLogger(x.router.config.Log.Handler(), slog.LevelDebug),
	}
	proxy.ServeHTTP(x.w, req)
}

// unblock ends the reading of a body that the client does not send when its request is cut: until then
// neither http.Transport nor a buffer would return.
func (x *exchange) unblock(ctx context.Context) {
	if errors.Is(context.Cause(ctx), errCut) {
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now()) // fails on no connection that we serve
	}
}

// rewrite makes the target's request from the client's.
func (x *exchange) rewrite(r *httputil.ProxyRequest) {
	o := x.service.options
	r.Out.URL.Scheme = "http"
	r.Out.URL.Host = x.pool.targets[0] // RoundTrip chooses
	r.Out.Host = r.In.Host
	r.Out.URL.RawQuery = r.In.URL.RawQuery // also what Go cannot parse is the target's to judge
	if o.StripPathPrefix && x.prefix != "/" {
		r.Out.URL.Path = strip(r.Out.URL.Path, x.prefix)
		r.Out.URL.RawPath = strip(r.Out.URL.RawPath, x.prefix)
		r.Out.Header.Set("X-Forwarded-Prefix", x.prefix)
	}
	if o.ForwardHeaders {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
			if v := r.In.Header.Values(name); len(v) > 0 {
				r.Out.Header[name] = v
			}
		}
	}
	host, proto := r.Out.Header.Get("X-Forwarded-Host"), r.Out.Header.Get("X-Forwarded-Proto")
	r.SetXForwarded() // appends the client to X-Forwarded-For and sets the others
	if host != "" {
		r.Out.Header.Set("X-Forwarded-Host", host)
	}
	if proto != "" {
		r.Out.Header.Set("X-Forwarded-Proto", proto)
	}
	r.Out.Header.Set("X-Request-Id", x.id)
	if r.Out.Header.Get("X-Request-Start") == "" {
		r.Out.Header.Set("X-Request-Start", fmt.Sprintf("t=%d", x.start.UnixMilli())) // milliseconds, as Heroku's router
	}
	forbidReplay(r.Out)
}

// strip takes prefix off path, leaving at least "/"; an empty path (RawPath not needed) stays empty.
func strip(path, prefix string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, prefix), "/")
}

// forbidReplay keeps http.Transport from sending a request a second time after a kept connection broke
// under it: the target may have acted on the first. It does so for requests without a body that are
// idempotent by method, or marked so by a header that it looks for in canonical spelling only.
// TRACE is let be: it may have no body, and has no effect.
func forbidReplay(out *http.Request) {
	if out.Body == nil && (out.Method == http.MethodGet || out.Method == http.MethodHead || out.Method == http.MethodOptions) {
		out.Body = emptyBody{} // probed by the transport and found empty: no byte more is sent
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if v, ok := out.Header[name]; ok {
			delete(out.Header, name)
			out.Header[strings.ToLower(name)] = v
		}
	}
}

type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// RoundTrip sends the request to the target whose turn it is, or, as long as no connection could be
// made, to the next one. A request that reached a target is never sent again.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	body := req.Body
	var errs []error
	for target := range x.pool.order {
		x.target = target
		out := *req
		u := *req.URL
		u.Host = target
		out.URL = &u
		if body != nil {
			out.Body = keptOpen{body} // the transport closes it also when it never read it
		}
		resp, err := x.pool.transport.RoundTrip(&out)
		if err == nil {
			return resp, nil
		}
		errs = append(errs, err)
		if !unreached(err) || req.Context().Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

type keptOpen struct{ io.Reader }

func (keptOpen) Close() error { return nil }

// unreached says that err came before any connection to a target.
func unreached(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// modify looks at the target's answer before it goes to the client.
func (x *exchange) modify(resp *http.Response) error {
	x.keep(resp.Header)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.w.status = resp.StatusCode // written past the ResponseWriter
		return nil
	}
	o := x.service.options
	if !o.BufferResponses || resp.Body == nil || strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return nil
	}
	body, size, err := x.router.buffer(resp.Body, o.BufferMemory, o.MaxResponseBody)
	if err != nil {
		return fmt.Errorf("buffer response: %w", err)
	}
	_ = resp.Body.Close()
	resp.Body = body
	if x.req.Method != http.MethodHead && len(resp.Trailer) == 0 {
		resp.ContentLength = size
		resp.Header.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	return nil
}

// fail answers a request that no target did.
func (x *exchange) fail(_ http.ResponseWriter, req *http.Request, err error) {
	x.err = err
	if x.req.Context().Err() != nil && !errors.Is(context.Cause(req.Context()), errCut) {
		x.w.WriteHeader(statusClientClosed)
		return
	}
	x.page(failureStatus(req.Context(), err), "")
}

func failureStatus(ctx context.Context, err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	if errors.Is(err, errTooLong) {
		return http.StatusInternalServerError
	}
	if errors.Is(context.Cause(ctx), errCut) {
		return http.StatusGatewayTimeout
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !unreached(err) {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

func upgrade(req *http.Request) bool { return req.Header.Get("Upgrade") != "" }

// bufferPool lends the 32 KiB that a body passes through.
type bufferPool struct{ pool sync.Pool }

// Get returns a buffer.
func (b *bufferPool) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

// Put takes it back.
func (b *bufferPool) Put(p []byte) { b.pool.Put(&p) }
