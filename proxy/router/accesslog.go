package router

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader remembers the first final status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController flush and hijack.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// log writes the access line; its keys are those of kamal-proxy's.
func (x *exchange) log() {
	if x.router.config.Access == nil {
		return
	}
	req := x.req
	client, port, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		client = req.RemoteAddr
	}
	scheme, ownPort := "http", 80
	if req.TLS != nil {
		scheme, ownPort = "https", 443
	}
	if local, ok := req.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		ownPort = local.Port
	}
	attrs := []slog.Attr{
		slog.String("host", req.Host), slog.Int("port", ownPort), slog.String("path", req.URL.Path),
		slog.String("request_id", x.id), slog.Int("status", x.w.status), slog.String("target", x.target),
		slog.Int64("duration", time.Since(x.start).Nanoseconds()), slog.String("method", req.Method),
		slog.Int64("req_content_length", req.ContentLength), slog.String("req_content_type", req.Header.Get("Content-Type")),
		slog.Int64("resp_content_length", x.w.bytes), slog.String("resp_content_type", x.w.Header().Get("Content-Type")),
		slog.String("client_addr", client), slog.String("client_port", port), slog.String("remote_addr", remote(req, client)),
		slog.String("user_agent", req.UserAgent()), slog.String("proto", req.Proto), slog.String("scheme", scheme),
		slog.String("query", req.URL.RawQuery),
	}
	if x.service != nil {
		attrs = append(attrs, slog.String("service", x.service.name))
		attrs = append(attrs, headers("req_", req.Header, x.service.options.LogRequestHeaders)...)
		attrs = append(attrs, headers("resp_", x.w.Header(), x.service.options.LogResponseHeaders)...)
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("error", x.err.Error()))
	}
	x.router.config.Access.LogAttrs(context.WithoutCancel(req.Context()), slog.LevelInfo, "Request", attrs...)
}

func headers(prefix string, h http.Header, names []string) []slog.Attr {
	var attrs []slog.Attr
	for _, name := range names {
		key := prefix + strings.ReplaceAll(strings.ToLower(name), "-", "_")
		attrs = append(attrs, slog.String(key, strings.Join(h.Values(name), ",")))
	}
	return attrs
}

// remote is the first address that the request claims to come from.
func remote(req *http.Request, client string) string {
	if first, _, _ := strings.Cut(req.Header.Get("X-Forwarded-For"), ","); first != "" {
		return strings.TrimSpace(first)
	}
	return client
}

// requestID passes on a plausible id of the client's, else makes one.
func requestID(req *http.Request) string {
	if id := req.Header.Get("X-Request-Id"); id != "" && len(id) <= 200 {
		return id
	}
	return strings.ToLower(rand.Text())
}
