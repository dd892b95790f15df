package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// handshake connects for host and returns what the server showed.
func (p *running) handshake(host string) (tls.ConnectionState, error) {
	dialer := tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"h2"}}}
	conn, err := dialer.DialContext(p.t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", p.tls))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func selfSigned(t *testing.T, host string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own of " + host}, DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestAServiceIsServedWithItsOwnCertificateAndPlainHTTPIsRedirected(t *testing.T) {
	p := start(t, t.TempDir())
	cert, key := selfSigned(t, "*.example.com")
	p.must("deploy", "shop", "--target", app(t, "x"), "--host", "*.example.com", "--tls", "--tls-certificate-path", cert, "--tls-private-key-path", key)
	state, err := p.handshake("shop.example.com")
	if err != nil || state.PeerCertificates[0].Subject.CommonName != "own of *.example.com" || state.NegotiatedProtocol != "h2" {
		t.Errorf("got %+v, %v", state.PeerCertificates, err)
	}
	if code, body := p.get("shop.example.com", "/a?b=c"); code != 301 || !strings.Contains(body, "https://shop.example.com/a?b=c") {
		t.Errorf("got %d %q", code, body)
	}
	p.must("deploy", "shop", "--target", app(t, "plain"), "--host", "*.example.com", "--tls", "--tls-certificate-path", cert, "--tls-private-key-path", key, "--tls-redirect=false")
	if code, body := p.get("shop.example.com", "/"); code != 200 || body != "plain" {
		t.Errorf("without redirect: got %d %q", code, body)
	}
	if _, err := p.handshake("unknown.example.org"); err == nil {
		t.Error("a certificate for an unknown host")
	}
}

// authority is a real ACME server (Pebble) that finds every host on 127.0.0.1, at the given ports.
func authority(t *testing.T, httpPort, tlsPort int) (directory, roots string) {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	t.Setenv("PEBBLE_AUTHZREUSE", "0")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 90 * 24 * 3600}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, names(t), store), issuer, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	s := httptest.NewTLSServer(front.Handler())
	t.Cleanup(s.Close)
	roots = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL + wfe.DirectoryPath, roots
}

// names is a DNS server that knows every name as 127.0.0.1.
func names(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // Pebble asks by TCP
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(a)
	})}
	done := make(chan error, 1)
	go func() { done <- s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown(); <-done })
	return l.Addr().String()
}

func TestACertificateIsObtainedByEachChallengeAndKeptOverARestart(t *testing.T) {
	for _, challenge := range []string{"HTTP-01", "TLS-ALPN-01"} {
		t.Run(challenge, func(t *testing.T) {
			home := t.TempDir()
			p := &running{t: t, port: freePort(t), tls: freePort(t)}
			httpPort, tlsPort := p.port, p.tls
			if challenge == "HTTP-01" {
				tlsPort = freePort(t) // where nobody listens: only the other challenge can succeed
			} else {
				httpPort = freePort(t)
			}
			directory, roots := authority(t, httpPort, tlsPort)
			p.env = map[string]string{"HOME": home, "XDG_RUNTIME_DIR": home, "KAMAL_PROXY_ACME_DIRECTORY": directory, "KAMAL_PROXY_ACME_ROOTS": roots}
			p = startWith(p)
			p.must("deploy", "shop", "--target", app(t, "x"), "--host", "shop.example.com", "--tls")
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
			defer cancel()
			serial := p.certificate(ctx, "shop.example.com")
			p.end()
			again := startWith(&running{t: t, env: p.env, port: freePort(t), tls: freePort(t)})
			if got := again.certificate(ctx, "shop.example.com"); got != serial {
				t.Errorf("after a restart the certificate is another: %s, was %s", got, serial)
			}
		})
	}
}

// certificate waits until host has a certificate and returns its serial number.
func (p *running) certificate(ctx context.Context, host string) string {
	p.t.Helper()
	for {
		state, err := p.handshake(host)
		if err == nil && len(state.PeerCertificates) > 0 && strings.Contains(state.PeerCertificates[0].Issuer.CommonName, "Pebble") {
			return state.PeerCertificates[0].SerialNumber.String()
		}
		select {
		case <-ctx.Done():
			p.t.Fatalf("no certificate: %v; log: %s", err, p.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
