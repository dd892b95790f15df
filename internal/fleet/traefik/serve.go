package main

import (
	"bufio"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// table is what all providers said, ready to serve.
type table struct {
	routes []route // in the order in which they are tried
	certs  []tls.Certificate
}

type route struct {
	name        string
	router      router
	matches     match
	servers     []*url.URL
	transport   http.RoundTripper
	middlewares []middleware
	ownHost     bool // requests name the server as their host
}

// build makes a table; a router that is wrong is left out, and told.
func build(providers map[string]dynamic, v2 bool) (*table, error) {
	t := &table{}
	var errs []error
	for _, provider := range slices.Sorted(maps.Keys(providers)) {
		d := providers[provider]
		for name, r := range d.HTTP.Routers {
			one, err := d.route(r, v2)
			if err != nil {
				errs = append(errs, fmt.Errorf("router %s@%s: %w", name, provider, err))
				continue
			}
			one.name = name + "@" + provider
			t.routes = append(t.routes, one)
		}
		for _, c := range d.TLS.Certificates {
			cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			t.certs = append(t.certs, cert)
		}
	}
	priority := func(r route) int { return cmp.Or(r.router.Priority, len(r.router.Rule)) }
	slices.SortFunc(t.routes, func(a, b route) int {
		return cmp.Or(cmp.Compare(priority(b), priority(a)), cmp.Compare(a.name, b.name))
	})
	return t, errors.Join(errs...)
}

func (d dynamic) route(r router, v2 bool) (one route, err error) {
	one.router = r
	if one.matches, err = parseRule(r.Rule, v2); err != nil {
		return one, err
	}
	s, ok := d.HTTP.Services[r.Service]
	if !ok || s.LoadBalancer == nil {
		return one, fmt.Errorf("the service %q does not exist", r.Service)
	}
	for _, server := range s.LoadBalancer.Servers {
		to, err := url.Parse(server.URL)
		if err != nil {
			return one, err
		}
		one.servers = append(one.servers, to)
	}
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 30 * time.Second}).DialContext, DisableKeepAlives: true}
	if name := s.LoadBalancer.ServersTransport; name != "" {
		limit := d.HTTP.ServersTransports[name].ForwardingTimeouts.ResponseHeaderTimeout
		if transport.ResponseHeaderTimeout, err = time.ParseDuration(limit); err != nil {
			return one, err
		}
	}
	one.transport = transport
	one.ownHost = s.LoadBalancer.PassHostHeader != nil && !*s.LoadBalancer.PassHostHeader
	for _, name := range r.Middlewares {
		m, ok := d.HTTP.Middlewares[name]
		if !ok {
			return one, fmt.Errorf("middleware %q does not exist", name)
		}
		one.middlewares = append(one.middlewares, m)
	}
	return one, nil
}

// at serves one entrypoint.
func (f *front) at(name string) http.Handler {
	e := f.entrypoints[name]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.redirectTo != "" && r.TLS == nil {
			http.Redirect(w, r, cmp.Or(e.scheme, "https")+"://"+hostOf(r)+r.URL.RequestURI(), http.StatusMovedPermanently)
			return
		}
		for _, one := range f.table.Load().routes {
			named := len(one.router.EntryPoints) == 0 || slices.ContainsFunc(one.router.EntryPoints, func(e string) bool { return strings.EqualFold(e, name) })
			if named && (one.router.TLS != nil) == (r.TLS != nil) && one.matches(r) {
				f.forward(one, w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
}

func (f *front) forward(one route, w http.ResponseWriter, r *http.Request) {
	for _, m := range one.middlewares {
		switch {
		case m.RedirectScheme != nil:
			http.Redirect(w, r, m.RedirectScheme.Scheme+"://"+hostOf(r)+r.URL.RequestURI(), http.StatusMovedPermanently)
			return
		case m.StripPrefix != nil:
			for _, p := range m.StripPrefix.Prefixes {
				if rest, ok := strings.CutPrefix(r.URL.Path, p); ok {
					r.URL.Path = "/" + strings.TrimPrefix(rest, "/")
					break
				}
			}
		case m.ReplacePath != nil:
			r.URL.Path = m.ReplacePath.Path
		case m.Buffering != nil && m.Buffering.MaxRequestBodyBytes > 0 && r.ContentLength > m.Buffering.MaxRequestBodyBytes:
			http.Error(w, "Request Entity Too Large", http.StatusRequestEntityTooLarge)
			return
		case m.Headers != nil:
			for key, value := range m.Headers.CustomRequestHeaders {
				r.Header.Set(key, value)
			}
			for key, value := range m.Headers.CustomResponseHeaders {
				w.Header().Set(key, value)
			}
		}
	}
	if len(one.servers) == 0 {
		http.Error(w, "no available server", http.StatusServiceUnavailable)
		return
	}
	to := one.servers[f.turn.Add(1)%uint64(len(one.servers))]
	(&httputil.ReverseProxy{
		Transport: one.transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.SetXForwarded()
			if p.Out.Host = p.In.Host; one.ownHost {
				p.Out.Host = to.Host
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			code := http.StatusBadGateway
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				code = http.StatusGatewayTimeout
			}
			http.Error(w, http.StatusText(code), code)
		},
	}).ServeHTTP(w, r)
}

// sniffed is a listener whose connections are TLS where they begin so.
type sniffed struct {
	net.Listener
	conf  *tls.Config
	conns chan net.Conn
	ended chan struct{}
}

func (f *front) sniff(l net.Listener) net.Listener {
	own := selfSigned()
	s := &sniffed{Listener: l, conns: make(chan net.Conn), ended: make(chan struct{})}
	s.conf = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for _, c := range f.table.Load().certs {
			if hello.SupportsCertificate(&c) == nil {
				return &c, nil
			}
		}
		return &own, nil
	}}
	go func() {
		defer close(s.ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.look(c)
		}
	}()
	return s
}

func (s *sniffed) look(c net.Conn) {
	b := bufio.NewReader(c)
	first, err := b.Peek(1)
	if err != nil {
		_ = c.Close()
		return
	}
	var conn net.Conn = peeked{c, b}
	if first[0] == 0x16 {
		conn = tls.Server(conn, s.conf)
	}
	select {
	case s.conns <- conn:
	case <-s.ended:
		_ = c.Close()
	}
}

func (s *sniffed) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

type peeked struct {
	net.Conn
	b *bufio.Reader
}

func (p peeked) Read(to []byte) (int, error) { return p.b.Read(to) }

// selfSigned is the certificate that Traefik makes up at its start.
func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	text := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"TRAEFIK DEFAULT CERT"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, text, text, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
