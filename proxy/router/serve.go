package router

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// ServeHTTP answers one request by a target of its service, or by a page of the proxy's own.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	x := &exchange{router: r, req: req, w: &recorder{ResponseWriter: w}, start: time.Now(), id: requestID(req)}
	defer x.log()
	x.serve()
}

// exchange is one request on its way. It belongs to one goroutine.
type exchange struct {
	router *Router
	req    *http.Request
	w      *recorder
	start  time.Time
	id     string

	service *service
	prefix  string
	pool    *pool
	given   *http.Cookie // that keeps the client in its part of a split; nil: none is given
	target  string       // that was tried last
	err     error        // why there is no answer of a target
}

func (x *exchange) serve() {
	for {
		t := x.router.table.Load()
		x.service, x.prefix = t.find(x.req.Host, x.req.URL.Path)
		switch {
		case x.service == nil:
			x.page(http.StatusNotFound, "")
			return
		case x.redirect(t):
			return
		case x.service.mode.state != control.Running:
			if x.hold() {
				return
			}
			continue
		}
		x.pool, x.given = x.service.choose(x.req)
		ctx, end := x.pool.flights.begin(x.req.Context())
		if x.router.table.Load() != t {
			end() // the pool may be drained already: look again
			continue
		}
		defer end()
		defer func() { x.pool.count(x.target, x.w.status) }() // before the end: a drain sees it counted
		x.forward(ctx)
		return
	}
}

// redirect sends the request elsewhere when the service is to be reached by HTTPS or another host.
func (x *exchange) redirect(t *table) bool {
	host := normalHost(x.req.Host)
	to, scheme := host, "http"
	if x.req.TLS != nil {
		scheme = "https"
	} else if s := t.secure(host); s != nil && s.options.TLS.Redirect {
		scheme = "https"
	}
	if canonical := x.service.options.CanonicalHost; canonical != "" {
		to = canonical
	}
	if to == host && (x.req.TLS != nil || scheme == "http") {
		return false
	}
	http.Redirect(x.w, x.req, scheme+"://"+to+x.req.URL.RequestURI(), http.StatusMovedPermanently)
	return true
}

// hold keeps the request of a paused service until that changes, and answers that of a stopped one.
// It says whether the request is answered; else it is to be looked at again.
func (x *exchange) hold() (answered bool) {
	m := x.service.mode
	// A balancer before this proxy shall not take the whole server out of service for a pause.
	if x.req.Method == http.MethodGet && x.req.URL.Path == x.service.options.HealthCheck.Path {
		x.w.WriteHeader(http.StatusOK)
		return true
	}
	if m.state == control.Stopped {
		x.page(http.StatusServiceUnavailable, m.message)
		return true
	}
	ctx, cancel := context.WithTimeout(x.req.Context(), max(0, m.maxPause-time.Since(x.start)))
	defer cancel()
	select {
	case <-x.service.replaced:
		return false
	case <-ctx.Done():
	}
	if x.req.Context().Err() != nil {
		x.w.WriteHeader(statusClientClosed)
		return true
	}
	x.page(http.StatusGatewayTimeout, "")
	return true
}
