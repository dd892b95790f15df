// Package certs obtains and renews the certificates of hosts by ACME, through certmagic. It is told
// which hosts there are; it never asks for a certificate because a client named a host (no on-demand).
// What may not live here: listeners, and any other source of certificates.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config is where certificates come from and where they are kept.
type Config struct {
	Folder    string // of certificates, keys and the account
	Directory string // URL of the ACME directory; empty: Let's Encrypt, or its staging directory
	Email     string // of the account, which some directories warn by; empty: none
	Roots     string // PEM file of the roots that the directory's own server is trusted by; empty: the system's
	HTTPPort  int    // on which the proxy answers HTTP-01 challenges
	HTTPSPort int    // on which it answers TLS-ALPN-01 challenges
	// LookEvery is how often it looks whether a certificate is to be renewed (a third of its life
	// before its end, or when the directory says); 0: ten minutes.
	LookEvery time.Duration
	Log       io.Writer
}

// ErrNoCertificate is why a handshake fails for a host that has none (yet).
var ErrNoCertificate = errors.New("no certificate for this host")

// Keeper keeps the certificates of a set of hosts. Run must be running for it to act.
type Keeper struct {
	production, staging authority
	log                 *zap.Logger

	mu     sync.Mutex
	wanted map[string]bool // host → from staging
	look   chan struct{}   // something changed; never more than one is due
}

// authority is certmagic for one ACME directory.
type authority struct {
	cache  *certmagic.Cache
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

// New returns a Keeper; Close ends it.
func New(c Config) (*Keeper, error) {
	var roots *x509.CertPool
	if c.Roots != "" {
		pem, err := os.ReadFile(c.Roots)
		if err != nil {
			return nil, fmt.Errorf("read ACME roots: %w", err)
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read ACME roots: no certificate in %s", c.Roots)
		}
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.TimeKey, encoder.EncodeTime, encoder.EncodeLevel = "time", zapcore.RFC3339NanoTimeEncoder, zapcore.CapitalLevelEncoder
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.AddSync(c.Log), zapcore.InfoLevel))
	production, staging := certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
	if c.Directory != "" {
		production, staging = c.Directory, c.Directory
	}
	return &Keeper{
		production: newAuthority(c, production, roots, log),
		staging:    newAuthority(c, staging, roots, log),
		log:        log,
		wanted:     map[string]bool{},
		look:       make(chan struct{}, 1),
	}, nil
}

func newAuthority(c Config, directory string, roots *x509.CertPool, log *zap.Logger) authority {
	var a authority
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return a.config, nil },
		RenewCheckInterval: c.LookEvery,
		Logger:             log,
	})
	a.config = certmagic.New(a.cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: c.Folder}, Logger: log})
	a.issuer = certmagic.NewACMEIssuer(a.config, certmagic.ACMEIssuer{
		CA: directory, TestCA: directory, Email: c.Email, Agreed: true, TrustedRoots: roots,
		AltHTTPPort: c.HTTPPort, AltTLSALPNPort: c.HTTPSPort, Logger: log,
	})
	a.config.Issuers = []certmagic.Issuer{a.issuer}
	return a
}

// Close stops the renewals.
func (k *Keeper) Close() {
	k.production.cache.Stop()
	k.staging.cache.Stop()
}

// Manage sets the hosts; the value says whether a host's certificate comes from the staging
// directory. It does not block: Run does the rest.
func (k *Keeper) Manage(hosts map[string]bool) {
	k.mu.Lock()
	k.wanted = maps.Clone(hosts)
	k.mu.Unlock()
	select {
	case k.look <- struct{}{}:
	default:
	}
}

// Run obtains what Manage asks for until ctx ends. Failures are logged and tried again by certmagic,
// with growing pauses, for as long as the host is wanted.
func (k *Keeper) Run(ctx context.Context) error {
	managed := map[string]job{}
	for {
		select {
		case <-k.look:
		case <-ctx.Done():
			for _, j := range managed {
				j.cancel()
			}
			return nil
		}
		k.mu.Lock()
		wanted := maps.Clone(k.wanted)
		k.mu.Unlock()
		k.apply(ctx, managed, wanted)
	}
}

// job is a host that certmagic looks after until cancel.
type job struct {
	staging bool
	cancel  context.CancelFunc
}

func (k *Keeper) apply(ctx context.Context, managed map[string]job, wanted map[string]bool) {
	for host, j := range managed {
		if staging, still := wanted[host]; !still || staging != j.staging {
			j.cancel()
			k.authority(j.staging).cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: host}})
			delete(managed, host)
		}
	}
	for host, staging := range wanted {
		if _, already := managed[host]; already {
			continue
		}
		forHost, cancel := context.WithCancel(ctx)
		managed[host] = job{staging, cancel}
		if err := k.authority(staging).config.ManageAsync(forHost, []string{host}); err != nil {
			k.log.Error("certificate not managed", zap.String("host", host), zap.Error(err))
		}
	}
}

func (k *Keeper) authority(staging bool) authority {
	if staging {
		return k.staging
	}
	return k.production
}

// Certificate returns the certificate for a handshake, also those of TLS-ALPN-01 challenges.
func (k *Keeper) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	staging, wanted := k.wanted[hello.ServerName]
	k.mu.Unlock()
	if !wanted {
		return nil, fmt.Errorf("%w: %q", ErrNoCertificate, hello.ServerName)
	}
	return k.authority(staging).config.GetCertificate(hello)
}

// Protocol is what a client offers in TLS-ALPN-01 challenges (RFC 8737).
const Protocol = acmez.ACMETLS1Protocol

// Challenge answers r if it is an HTTP-01 challenge that is under way.
func (k *Keeper) Challenge(w http.ResponseWriter, r *http.Request) (answered bool) {
	return k.production.issuer.HandleHTTPChallenge(w, r) || k.staging.issuer.HandleHTTPChallenge(w, r)
}
