// Package registry answers two questions about images: which digest a
// reference points at now, and whether it exists.
//
// It asks with HEAD, so that looking costs no pull quota where the registry
// counts only GET (Docker Hub does), and reuses connections and tokens between
// questions. Besides, it joins the images of several architectures under one
// tag. It may not pull, push images, retry or wait: whoever asks decides when
// to ask again, by the kind of the Error.
package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// DefaultTimeout bounds one question, tokens and mirror included.
const DefaultTimeout = 30 * time.Second

// Auth is a registry account. The zero value asks anonymously.
type Auth struct {
	Username string
	Password secret.Value
}

// Host is what the operator says about one registry.
type Host struct {
	// Mirror is asked first; the registry itself is asked when the mirror cannot
	// answer. "mirror.example.com:5000", with the folder below which it has this
	// registry's repositories ("mirror.example.com/hub"); http:// before it says
	// that it speaks plain HTTP.
	Mirror string
	// MirrorAuth is the account there; the registry's own is never shown to it.
	MirrorAuth Auth
	// CA holds PEM certificates trusted for this registry, its mirror and its
	// token service besides the system's.
	CA []byte
	// Insecure allows plain HTTP. Loopback registries may always speak it.
	Insecure bool
}

// Options configure a Client.
type Options struct {
	// Hosts by registry name as images spell it: "ghcr.io", "10.0.0.5:5000",
	// "docker.io" (all names of Docker Hub are this one).
	Hosts map[string]Host
	// Timeout bounds one question; 0 means DefaultTimeout.
	Timeout time.Duration
}

// Client resolves references. It is safe for concurrent use.
type Client struct {
	timeout   time.Duration
	endpoints map[string]endpoint // by registry name; unknown ones use the plain endpoint
	plain     endpoint

	mu      sync.Mutex
	pullers map[pullerKey]*puller
}

// endpoint is how one registry is reached.
type endpoint struct {
	mirror    *mirror // nil: none
	insecure  bool
	transport http.RoundTripper
}

// pullerKey leaves the password out, so that a rotated one replaces its
// predecessor instead of joining it. One mirror may serve registries whose CA
// differs, so that the way there belongs to it.
type pullerKey struct {
	registry, username string
	transport          http.RoundTripper
}

type puller struct {
	password secret.Value
	remote   *remote.Puller
}

// New makes a client. It errors when a mirror's address or a CA is unusable.
func New(o Options) (*Client, error) {
	c := &Client{
		timeout:   o.Timeout,
		endpoints: make(map[string]endpoint, len(o.Hosts)),
		plain:     endpoint{transport: newGuard(nil, nil)},
		pullers:   make(map[pullerKey]*puller),
	}
	if c.timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	var errs []error
	for host, h := range o.Hosts {
		e, err := newEndpoint(host, h)
		if err != nil {
			errs = append(errs, fmt.Errorf("configure registry %s: %w", host, err))
			continue
		}
		if _, twice := c.endpoints[hostName(host)]; twice {
			errs = append(errs, fmt.Errorf("configure registry %s: it is there under another name of %s, too; keep one of them", host, hostName(host)))
		}
		c.endpoints[hostName(host)] = e
	}
	return c, errors.Join(errs...)
}

func newEndpoint(host string, h Host) (endpoint, error) {
	e := endpoint{insecure: h.Insecure}
	var pool *x509.CertPool
	if len(h.CA) > 0 {
		pool = systemPool()
		if !pool.AppendCertsFromPEM(h.CA) {
			return e, errors.New("read ca: no PEM certificate in it")
		}
	}
	var plainHosts []string
	if h.Insecure {
		plainHosts = append(plainHosts, host)
	}
	if h.Mirror != "" {
		m, plain, err := parseMirror(h.Mirror)
		if err != nil {
			return e, err
		}
		if plain {
			plainHosts = append(plainHosts, m.host.RegistryStr())
		}
		m.auth = h.MirrorAuth
		e.mirror = &m
	}
	e.transport = newGuard(pool, plainHosts)
	return e, nil
}

// systemPool is the system's trust, or nothing where it has none: a scratch
// image without CA roots can still reach a registry whose CA is configured.
func systemPool() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}

// Resolve returns the digest ("sha256:…") that ref points at now. For an image
// of several architectures it is the index's digest, the one that
// `docker pull repo@digest` takes on any of them. ref without a tag means
// ":latest", a name without a registry Docker Hub. Errors are of type *Error,
// except when ctx itself ended.
func (c *Client) Resolve(ctx context.Context, ref string, auth Auth) (digest string, err error) {
	e, parsed, err := c.parse(ref)
	if err != nil {
		return "", &Error{Kind: ErrBadReference, Ref: ref, Err: err}
	}
	asking, cancel := context.WithTimeoutCause(ctx, c.timeout, errNoAnswer)
	defer cancel()
	if e.mirror != nil {
		if digest, err := c.askMirror(asking, e, parsed); err == nil {
			return digest, nil
		}
	}
	digest, err = c.ask(asking, e, parsed, auth)
	switch {
	case err == nil:
		return digest, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("resolve image %s: %w", ref, context.Cause(ctx))
	case asking.Err() != nil:
		err = errors.Join(fmt.Errorf("%w within %s", errNoAnswer, c.timeout), err)
	}
	return "", classify(ref, hostName(parsed.Context().RegistryStr()), err)
}

// Exists tells whether ref can be pulled. Only a registry that says "not
// found" means no; every other failure is an error, as in Resolve.
func (c *Client) Exists(ctx context.Context, ref string, auth Auth) (bool, error) {
	_, err := c.Resolve(ctx, ref, auth)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *Client) parse(ref string) (endpoint, name.Reference, error) {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return endpoint{}, nil, err
	}
	e, ok := c.endpoints[hostName(parsed.Context().RegistryStr())]
	if !ok {
		return c.plain, parsed, nil
	}
	if e.insecure {
		parsed, err = name.ParseReference(ref, name.Insecure)
	}
	return e, parsed, err
}

func (c *Client) ask(ctx context.Context, e endpoint, ref name.Reference, auth Auth) (string, error) {
	p, err := c.puller(e, ref.Context().RegistryStr(), auth)
	if err != nil {
		return "", err
	}
	digest, err := head(ctx, p, ref)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		// Callers who ask at once share the first one's log-in, and its end
		// when that caller goes away.
		digest, err = head(ctx, p, ref)
	}
	return digest, err
}

func head(ctx context.Context, p *remote.Puller, ref name.Reference) (string, error) {
	d, err := p.Head(ctx, ref)
	if err == nil {
		return d.Digest.String(), nil
	}
	if !headUnusable(err) {
		return "", err
	}
	got, err := p.Get(ctx, ref)
	if err != nil {
		return "", err
	}
	if m := got.MediaType; !m.IsImage() && !m.IsIndex() && !m.IsSchema1() {
		// A log-in page answers 200 too, and has a hash like anything else.
		return "", fmt.Errorf("read manifest: the answer is %q, no image", m)
	}
	return got.Digest.String(), nil
}

// headUnusable tells an answer without the headers that distribution-spec 1.1
// only recommends ("Checking if content exists in the registry"), and a
// registry that has no HEAD, from one that says no.
func headUnusable(err error) bool {
	if refusal, ok := errors.AsType[*transport.Error](err); ok {
		return refusal.StatusCode == http.StatusMethodNotAllowed
	}
	return strings.Contains(err.Error(), "response did not include")
}

func (c *Client) puller(e endpoint, host string, auth Auth) (*remote.Puller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := pullerKey{registry: host, username: auth.Username, transport: e.transport}
	if p, ok := c.pullers[key]; ok && p.password.Equal(auth.Password) {
		return p.remote, nil
	}
	login := authn.Anonymous
	if auth.Username != "" || !auth.Password.IsZero() {
		login = authn.FromConfig(authn.AuthConfig{Username: auth.Username, Password: auth.Password.Reveal()})
	}
	p, err := remote.NewPuller(
		remote.WithAuth(login),
		remote.WithTransport(e.transport),
		remote.WithUserAgent("fairlead"),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1}), // one try: the caller waits, and knows for how long
	)
	if err != nil {
		return nil, fmt.Errorf("prepare registry client: %w", err)
	}
	c.pullers[key] = &puller{password: auth.Password, remote: p}
	return p, nil
}

// hostName gives Docker Hub its one name in images.
func hostName(host string) string {
	switch host {
	case "", "docker.io", "index.docker.io", "registry-1.docker.io":
		return "docker.io"
	}
	return host
}

// tlsConfig trusts pool, or the system where it is nil.
func tlsConfig(pool *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}
