// Package acmetest gives tests a real ACME server (Pebble) in their process.
//
// Lives here: that server, and the DNS that it asks. May not live here:
// anything that a program imports.
package acmetest

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Options are what a test wants of it.
type Options struct {
	// Listen is the address that clients reach it at; "" is 127.0.0.1.
	Listen string
	// Hosts is where it finds every host's name; nil is 127.0.0.1.
	Hosts net.IP
	// HTTPPort and TLSPort are where it asks for challenges.
	HTTPPort, TLSPort int
	// Validity of its certificates; 0 is 90 days.
	Validity time.Duration
}

// Server is one.
type Server struct {
	Directory string         // its URL
	Roots     string         // PEM file of the certificate that it is reached by
	Trust     *x509.CertPool // of the certificates that it issues
}

// Start runs one until the end of the test.
func Start(t testing.TB, o Options) Server {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1"
	}
	if o.Hosts == nil {
		o.Hosts = net.IPv4(127, 0, 0, 1)
	}
	if o.Validity == 0 {
		o.Validity = 90 * 24 * time.Hour
	}
	// What it does to try its clients' patience, and nothing else reads.
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(o.Validity / time.Second)}})
	front := wfe.New(quiet, store, va.New(quiet, o.HTTPPort, o.TLSPort, false, names(t, o.Hosts), store), issuer, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	l, err := net.Listen("tcp", net.JoinHostPort(o.Listen, "0"))
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(front.Handler())
	if err := web.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	web.Listener = l
	if o.Listen != "127.0.0.1" {
		cert, err := forAddress(o.Listen)
		if err != nil {
			t.Fatal(err)
		}
		web.TLS = cert
	}
	web.StartTLS()
	t.Cleanup(web.Close)
	s := Server{Directory: web.URL + wfe.DirectoryPath, Roots: filepath.Join(t.TempDir(), "roots.pem"), Trust: x509.NewCertPool()}
	s.Trust.AddCert(issuer.GetRootCert(0).Cert)
	raw := web.Certificate().Raw
	if web.TLS != nil && len(web.TLS.Certificates) > 0 {
		raw = web.TLS.Certificates[0].Certificate[0]
	}
	if err := os.WriteFile(s.Roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// names is a DNS server that knows every name as one address.
func names(t testing.TB, at net.IP) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // Pebble asks by TCP
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: at}}
		}
		_ = w.WriteMsg(a)
	})}
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Shutdown(), <-done); err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}
