package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// certificate makes one for the service's name, signed by itself.
func (s *scenario) certificate(serial int64) (certificate, key string) {
	s.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.do(err)
	text, err := x509.MarshalECPrivateKey(private)
	s.do(err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: s.host()}, DNSNames: []string{s.host()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, private.Public(), private)
	s.do(err)
	block := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return block("CERTIFICATE", der), block("EC PRIVATE KEY", text)
}

// safely asks a host for a page over TLS, trusting one certificate alone, and
// returns its serial number with what the page says.
func (s *scenario) safely(h *fleet.Host, certificate, path string) (serial int64, page string) {
	s.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(certificate))
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", h.Addr+":443")
		},
		TLSClientConfig: &tls.Config{ServerName: s.host(), RootCAs: roots}, DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "https://"+s.host()+path, nil)
	s.do(err)
	resp, err := client.Do(req)
	if err != nil {
		s.Errorf("%s over TLS: %v", h.Name, err)
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	s.do(err)
	return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), strings.TrimSpace(string(body))
}

func TestACertificateOfSecretsIsServedAndItsSuccessorTakesItsPlace(t *testing.T) {
	t.Parallel()
	s := begin(t, "pem")
	s.image("v1", nil)
	s.image("v2", nil)
	first, firstKey := s.certificate(1)
	second, secondKey := s.certificate(2)
	// The certificate lies in Git, the key with the daemon.
	push := func(version, certificate, key string) string {
		t.Helper()
		s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\nKEY_PEM=\""+key+"\"\n")
		return s.pushFiles(map[string]string{
			"certs/site.pem": certificate, ".kamal/secrets": "CERTIFICATE_PEM=$(cat certs/site.pem)\n",
			"config/deploy.yml": s.file(version).with("x-fairlead", "{ window: 1s }").with("proxy", "{ host: "+s.host()+
				", app_port: 80, healthcheck: { path: /up, interval: 1, timeout: 2 }, ssl: { certificate_pem: CERTIFICATE_PEM, private_key_pem: KEY_PEM } }").String(),
		})
	}
	serves := func(version, certificate string, serial int64) {
		t.Helper()
		for _, h := range s.hosts {
			if got, page := s.safely(h, certificate, "/version"); got != serial || page != version {
				t.Errorf("%s serves %q with the certificate %d, want %q and %d", h.Name, page, got, version, serial)
			}
			if status, _ := s.asks(h, "/version"); status != http.StatusMovedPermanently {
				t.Errorf("%s answers %d without TLS", h.Name, status)
			}
			out, err := h.SSH(t.Context(), "find .kamal/proxy/apps-config/"+s.service+"/tls -type f -printf '%m %f\\n' | sort")
			s.do(err)
			if strings.Count(out, "\n") != 2 || !strings.Contains(out, "600 key.pem\n") || !strings.Contains(out, " cert.pem\n") {
				t.Errorf("the files on %s are\n%s", h.Name, out)
			}
		}
	}
	s.start()
	s.ends(push("v1", first, firstKey), release.Succeeded)
	serves("v1", first, 1)
	if _, headers := s.safely(s.hosts[0], first, "/headers"); !strings.Contains(headers, "X-Forwarded-Proto: https") {
		t.Errorf("the service hears %s", headers)
	}
	s.ends(push("v2", second, secondKey), release.Succeeded)
	serves("v2", second, 2)
	s.says(0, "is live on 2 hosts", "rollback", s.service, "--follow")
	for _, h := range s.hosts {
		if _, page := s.safely(h, second, "/version"); page != "v1" {
			if _, page = s.safely(h, first, "/version"); page != "v1" {
				t.Errorf("%s serves %q after the rollback", h.Name, page)
			}
		}
	}
	s.tidy(map[string]string{"KEY": firstKey, "NEXT_KEY": secondKey})
}
