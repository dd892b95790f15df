// Package router sends each request to a target of the service that has its host and path, and
// changes which that is while requests are in flight.
//
// # How a route changes
//
// All routes are one immutable table behind an atomic pointer. A change makes a new table, saves it,
// and stores the pointer; then the requests still at the old targets are given time to finish.
//
//	request:  load table → find service → count itself in at the pool → same table still? → forward
//	change:   new table → save (else: nothing happened) → store table → wait for those counted in
//
// Because a request counts itself in before it looks at the table again, a drain either sees it or it
// sees the new table: none is lost between the two, and no lock is held on the way.
//
// What lives here: matching, forwarding, draining, pausing, the split of a rollout, the pages and log
// lines of requests. What may not: sockets, the command line, and how certificates are obtained.
package router

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/page"
	"github.com/fairlead-deploy/fairlead/proxy/state"
)

// Store keeps the routes. Save returns an error only when they may not survive a restart.
type Store interface {
	Load() (state.Document, error)
	Save(state.Document) error
}

// Certificates obtains certificates for hosts. Manage is told all of them at every change and must
// not block; the value says whether the host's come from the staging directory.
type Certificates interface {
	Manage(hosts map[string]bool)
}

// Config is what a Router needs.
type Config struct {
	Store        Store
	Certificates Certificates // nil: none are obtained
	Log          *slog.Logger // what happens to routes and targets
	Access       *slog.Logger // one line per request
	Spill        string       // folder for buffered bodies beyond the memory limit; empty: the system's
}

// Router is the proxy's http.Handler and the commands that change it. All methods may be called at
// the same moment; commands on one service queue, those on different services do not wait for each
// other's health or drain.
type Router struct {
	config  Config
	table   atomic.Pointer[table]
	mu      sync.Mutex // one change at a time from reading the table to storing the next
	lanes   lanes
	buffers bufferPool
	page    *page.Page // for errors of services that have none of their own
}

// New returns a Router without services.
func New(config Config) *Router {
	builtin, err := page.Parse(builtinPage)
	if err != nil {
		panic("the built-in page: " + err.Error())
	}
	r := &Router{config: config, page: builtin}
	r.table.Store(newTable(nil))
	return r
}

// Restore serves the saved services at once, without asking their targets for health. A service that
// cannot be served as saved (its certificate file is gone) is served without it and logged.
func (r *Router) Restore() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	doc, err := r.config.Store.Load()
	if err != nil {
		return err
	}
	services := map[string]*service{}
	for _, saved := range doc.Services {
		s, err := restoreService(saved)
		if err != nil {
			r.config.Log.Error("service restored in part", "service", saved.Name, "error", err)
		}
		services[s.name] = s
	}
	next := newTable(services)
	r.table.Store(next)
	r.manage(next)
	r.config.Log.Info("services restored", "count", len(services))
	return nil
}

// List returns all services, sorted by name.
func (r *Router) List() []control.Service {
	list := []control.Service{}
	for _, s := range r.table.Load().services {
		list = append(list, s.describe())
	}
	slices.SortFunc(list, func(a, b control.Service) int { return compare(a.Name, b.Name) })
	return list
}

// Close cuts everything in flight. Call it when no listener hands in new requests.
func (r *Router) Close() {
	for _, s := range r.table.Load().services {
		for _, p := range s.pools() {
			p.flights.drain(context.Background(), 0)
			p.transport.CloseIdleConnections()
		}
	}
}

// CertificateFor returns the certificate that was given with the deploy for host, or nil; managed
// says whether a certificate for host is to be obtained instead.
func (r *Router) CertificateFor(host string) (own *tls.Certificate, managed bool) {
	s := r.table.Load().secure(normalHost(host))
	if s == nil {
		return nil, false
	}
	return s.certificate, s.certificate == nil
}

// commit replaces one service: change is given the present one (nil: none) and returns the next
// (nil: removed). Nothing happens when change, a conflict or the store returns an error.
func (r *Router) commit(name string, change func(*service) (*service, error)) (before, after *service, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	current := r.table.Load()
	before = current.services[name]
	if after, err = change(before); err != nil {
		return nil, nil, err
	}
	if err := current.conflict(after); err != nil {
		return nil, nil, err
	}
	next := newTable(current.services, replacement{name, after})
	if err := r.save(current, next); err != nil {
		return nil, nil, err
	}
	r.table.Store(next)
	if before != nil {
		close(before.replaced)
	}
	r.manage(next)
	return before, after, nil
}

func (r *Router) save(current, next *table) error {
	was, will := current.document(), next.document()
	if reflect.DeepEqual(was, will) {
		return nil
	}
	if err := r.config.Store.Save(will); err != nil {
		// The store may have got as far as the new content without being sure of it: what is
		// served and what is saved must be the same, so ask for the old one back.
		back := r.config.Store.Save(was)
		r.config.Log.Error("routes not saved, nothing was changed", "error", err, "restored", back == nil)
		return control.Errorf(control.Internal, "%v; nothing was changed, free some disk space and deploy again", err)
	}
	return nil
}

func (r *Router) manage(t *table) {
	if r.config.Certificates != nil {
		r.config.Certificates.Manage(t.managed())
	}
}

// drain waits for what is in flight at p, which no request can reach any more.
func (r *Router) drain(ctx context.Context, p *pool, limit time.Duration) (drained, cut int) {
	if p == nil {
		return 0, 0
	}
	drained, cut = p.flights.drain(context.WithoutCancel(ctx), limit)
	p.transport.CloseIdleConnections()
	return drained, cut
}

// lanes queue the commands on each service.
type lanes struct {
	mu    sync.Mutex
	queue map[string]*lane
}

type lane struct {
	turn  chan struct{} // holds one token
	users int
}

// enter waits for the service's turn; leave gives it to the next.
func (l *lanes) enter(ctx context.Context, name string) (leave func(), err error) {
	l.mu.Lock()
	if l.queue == nil {
		l.queue = map[string]*lane{}
	}
	q := l.queue[name]
	if q == nil {
		q = &lane{turn: make(chan struct{}, 1)}
		l.queue[name] = q
	}
	q.users++
	l.mu.Unlock()
	gone := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if q.users--; q.users == 0 {
			delete(l.queue, name)
		}
	}
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; gone() }, nil
	case <-ctx.Done():
		gone()
		return nil, errors.Join(errors.New("wait for another command on this service"), context.Cause(ctx))
	}
}

var _ http.Handler = (*Router)(nil)
