package chaos_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	images "github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// fault is what the registry does with a request instead of answering it. It
// may hand it on.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// registry is an image registry on this machine, over TLS, that hosts reach at
// the fleet's gateway, and that misbehaves per repository.
type registry struct {
	address, ca string // "10.x.y.1:PORT", and the path of a PEM file
	pool        *x509.CertPool
	server      *http.Server

	mu     sync.Mutex
	faults map[string]fault // by repository
}

func openRegistry(ctx context.Context, f *fleet.Fleet) (*registry, error) {
	gateway := f.Subnet.Addr().Next()
	l, err := net.Listen("tcp", net.JoinHostPort(gateway.String(), "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for images: %w", err)
	}
	r := &registry{address: l.Addr().String(), ca: filepath.Join(f.Dir, "registry-ca.pem"), pool: x509.NewCertPool(), faults: map[string]fault{}}
	pair, text, err := certificate(gateway.AsSlice())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(r.ca, text, 0o644); err != nil {
		return nil, err
	}
	r.pool.AppendCertsFromPEM(text)
	for _, h := range f.Hosts {
		dir := "/etc/docker/certs.d/" + r.address // as dockerd looks for it
		if _, err := h.Exec(ctx, "sh", "-c", "mkdir -p "+dir+" && echo "+base64.StdEncoding.EncodeToString(text)+" | base64 -d > "+dir+"/ca.crt"); err != nil {
			return nil, err
		}
	}
	r.server = &http.Server{Handler: r.misbehaving(images.New(images.Logger(log.New(io.Discard, "", 0)))), ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = r.server.ServeTLS(l, "", "") }() // ends with close
	return r, nil
}

func (r *registry) close() { _ = r.server.Close() }

// certificate is one that signs itself, for an address.
func certificate(ip net.IP) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fleet"}, IPAddresses: []net.IP{ip},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func (r *registry) misbehaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		repository, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/"), "/")
		r.mu.Lock()
		bad := r.faults[repository]
		r.mu.Unlock()
		if bad == nil {
			next.ServeHTTP(w, req)
			return
		}
		bad(w, req, next)
	})
}

// misbehave lets a repository have a fault; nil ends it.
func (r *registry) misbehave(repository string, bad fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[repository] = bad
}

// push puts an image in, past all faults.
func (r *registry) push(ctx context.Context, img fleet.Image, repoTag string) error {
	built, err := img.Build()
	if err != nil {
		return err
	}
	ref, err := name.NewTag(r.address + "/" + repoTag)
	if err != nil {
		return err
	}
	r.mu.Lock()
	repository, _, _ := strings.Cut(repoTag, ":")
	bad := r.faults[repository]
	delete(r.faults, repository)
	r.mu.Unlock()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.pool}, DisableKeepAlives: true}
	err = remote.Write(ref, built, remote.WithContext(ctx), remote.WithTransport(transport))
	r.misbehave(repository, bad)
	return err
}

func isManifest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }
func isBlob(r *http.Request) bool     { return strings.Contains(r.URL.Path, "/blobs/") }
