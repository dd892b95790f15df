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
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/proxy/certs/acmetest"
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
			ca := acmetest.Start(t, acmetest.Options{HTTPPort: httpPort, TLSPort: tlsPort})
			p.env = map[string]string{"HOME": home, "XDG_RUNTIME_DIR": home, "KAMAL_PROXY_ACME_DIRECTORY": ca.Directory, "KAMAL_PROXY_ACME_ROOTS": ca.Roots,
				"KAMAL_PROXY_ACME_EMAIL": "ana@example.com"}
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
			private(t, home, "ana@example.com")
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

// private wants all that certificates are made of to be for its owner alone, an account among it.
func private(t *testing.T, home, account string) {
	t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(home, ".config", "kamal-proxy", "fairlead-certs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		found = found || strings.Contains(path, "users/"+account)
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil || !found {
		t.Errorf("the account of %s: found %t, %v", account, found, err)
	}
}
