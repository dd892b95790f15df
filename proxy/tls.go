package proxy

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/proxy/certs"
	"github.com/fairlead-deploy/fairlead/proxy/router"
)

// tlsConfig takes a handshake's certificate from the service's own files, else from ACME.
func tlsConfig(r *router.Router, keeper *certs.Keeper) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1", certs.Protocol},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			hello.ServerName = strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
			own, managed := r.CertificateFor(hello.ServerName)
			if own != nil && !slices.Contains(hello.SupportedProtos, certs.Protocol) {
				return own, nil
			}
			if !managed {
				return nil, fmt.Errorf("%w: %q", certs.ErrNoCertificate, hello.ServerName)
			}
			return keeper.Certificate(hello)
		},
	}
}

// challengesFirst answers HTTP-01 challenges before any route.
func challengesFirst(keeper *certs.Keeper, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !keeper.Challenge(w, req) {
			next.ServeHTTP(w, req)
		}
	})
}
