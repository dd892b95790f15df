package registry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	inprocess "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// fixture is a real registry behind a door that a test can make misbehave.
type fixture struct {
	*httptest.Server
	host string
	door atomic.Pointer[func(w http.ResponseWriter, r *http.Request, through http.Handler)]
}

func serve(t *testing.T, start func(*httptest.Server)) *fixture {
	t.Helper()
	f := &fixture{}
	through := inprocess.New(inprocess.Logger(log.New(io.Discard, "", 0)))
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if door := f.door.Load(); door != nil {
			(*door)(w, r, through)
			return
		}
		through.ServeHTTP(w, r)
	}))
	f.Config.ErrorLog = log.New(io.Discard, "", 0) // the client tries TLS on loopback first
	start(f.Server)
	t.Cleanup(f.Close)
	_, f.host, _ = strings.Cut(f.URL, "://")
	return f
}

func plain(s *httptest.Server) { s.Start() }

func (f *fixture) behave(door func(w http.ResponseWriter, r *http.Request, through http.Handler)) {
	f.door.Store(&door)
}

func (f *fixture) answer(status int, header ...string) {
	f.behave(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	})
}

// push puts an image there and returns its digest.
func (f *fixture) push(t *testing.T, repoTag string) string {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref := parse(t, f.host+"/"+repoTag)
	if err := remote.Write(ref, img, remote.WithTransport(f.Client().Transport)); err != nil {
		t.Fatal(err)
	}
	return digestOf(t, img)
}

func parse(t *testing.T, ref string) name.Reference {
	t.Helper()
	parsed, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func digestOf(t *testing.T, i interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	h, err := i.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func client(t *testing.T, o registry.Options) *registry.Client {
	t.Helper()
	c, err := registry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func failure(t *testing.T, err error) *registry.Error {
	t.Helper()
	e, ok := errors.AsType[*registry.Error](err)
	if !ok {
		t.Fatalf("error %v (%T) is no *registry.Error", err, err)
	}
	return e
}

func TestATagResolvesToTheDigestThatWasPushed(t *testing.T) {
	f := serve(t, plain)
	want := f.push(t, "acme/shop:v1")
	got, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{})
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestAMovedTagResolvesToItsNewDigest(t *testing.T) {
	f, c := serve(t, plain), client(t, registry.Options{})
	first := f.push(t, "acme/shop:latest")
	if got, err := c.Resolve(t.Context(), f.host+"/acme/shop", registry.Auth{}); err != nil || got != first {
		t.Fatalf("got %q, %v; want %q", got, err, first)
	}
	second := f.push(t, "acme/shop:latest")
	if got, err := c.Resolve(t.Context(), f.host+"/acme/shop", registry.Auth{}); err != nil || got != second {
		t.Fatalf("got %q, %v; want %q", got, err, second)
	}
}

func TestAnImageOfManyArchitecturesKeepsItsIndexDigest(t *testing.T) {
	f := serve(t, plain)
	index, err := random.Index(64, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(parse(t, f.host+"/acme/shop:multi"), index); err != nil {
		t.Fatal(err)
	}
	want := digestOf(t, index)
	got, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:multi", registry.Auth{})
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want the index's digest %q", got, err, want)
	}
}

func TestAReferenceWithADigestIsCheckedToo(t *testing.T) {
	f, c := serve(t, plain), client(t, registry.Options{})
	digest := f.push(t, "acme/shop:v1")
	if got, err := c.Resolve(t.Context(), f.host+"/acme/shop:v9@"+digest, registry.Auth{}); err != nil || got != digest {
		t.Fatalf("got %q, %v; want %q", got, err, digest)
	}
	gone := "sha256:" + strings.Repeat("0", 64)
	if ok, err := c.Exists(t.Context(), f.host+"/acme/shop@"+gone, registry.Auth{}); ok || err != nil {
		t.Fatalf("got %v, %v for a digest that is not there", ok, err)
	}
}

func TestOnlyARegistryThatSaysNotFoundMeansThatAnImageDoesNotExist(t *testing.T) {
	f, c := serve(t, plain), client(t, registry.Options{})
	f.push(t, "acme/shop:v1")
	for ref, want := range map[string]bool{"/acme/shop:v1": true, "/acme/shop:v2": false, "/acme/other:v1": false} {
		if got, err := c.Exists(t.Context(), f.host+ref, registry.Auth{}); got != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", ref, got, err, want)
		}
	}
	f.answer(http.StatusServiceUnavailable)
	if _, err := c.Exists(t.Context(), f.host+"/acme/shop:v2", registry.Auth{}); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	dead := serve(t, plain)
	dead.Close()
	for _, tt := range []struct {
		name  string
		door  func(*fixture)
		ref   string
		kind  error
		class release.Class
	}{
		{"401", func(f *fixture) { f.answer(401, "WWW-Authenticate", `Basic realm="x"`) }, "/a/b:c", registry.ErrUnauthorized, release.World},
		{"403", func(f *fixture) { f.answer(403) }, "/a/b:c", registry.ErrUnauthorized, release.World},
		{"404", func(*fixture) {}, "/a/b:c", registry.ErrNotFound, release.World},
		{"429", func(f *fixture) { f.answer(429) }, "/a/b:c", registry.ErrTooManyRequests, release.World},
		{"500", func(f *fixture) { f.answer(500) }, "/a/b:c", registry.ErrUnavailable, release.World},
		{"503", func(f *fixture) { f.answer(503) }, "/a/b:c", registry.ErrUnavailable, release.World},
		{"an answer that is no registry's", func(f *fixture) { f.answer(200, "Content-Type", "text/html") }, "/a/b:c", registry.ErrUnavailable, release.World},
		{"a reference that is none", func(*fixture) {}, "/A B", registry.ErrBadReference, release.Verdict},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := serve(t, plain)
			tt.door(f)
			_, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+tt.ref, registry.Auth{})
			if e := failure(t, err); !errors.Is(err, tt.kind) || e.Class() != tt.class {
				t.Errorf("got %v, class %s; want %v, class %s", err, e.Class(), tt.kind, tt.class)
			}
		})
	}
	t.Run("no listener", func(t *testing.T) {
		_, err := client(t, registry.Options{}).Resolve(t.Context(), dead.host+"/a/b:c", registry.Auth{})
		if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "registry unavailable: no connection to 127.0.0.1:") {
			t.Errorf("got %v; want ErrUnavailable", err)
		}
	})
	t.Run("no such name", func(t *testing.T) {
		_, err := client(t, registry.Options{}).Resolve(t.Context(), "registry.invalid/a/b:c", registry.Auth{}) // RFC 6761: never a name
		text := failure(t, err).Error()
		if !errors.Is(err, registry.ErrUnavailable) || strings.Contains(text, "Get ") {
			t.Errorf("got %v", err)
		}
		for _, word := range []string{"resolve image registry.invalid/a/b:c: registry unavailable: the name registry.invalid cannot be resolved here", "registry.invalid in deploy.yml", "curl -I https://registry.invalid/v2/"} {
			if !strings.Contains(text, word) {
				t.Errorf("%q does not say %q", text, word)
			}
		}
	})
}

func TestALimitIsAskedOnceAndSaysHowLongToWait(t *testing.T) {
	f := serve(t, plain)
	var manifests atomic.Int32
	f.behave(func(w http.ResponseWriter, r *http.Request, through http.Handler) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			manifests.Add(1)
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		through.ServeHTTP(w, r)
	})
	_, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{})
	if e := failure(t, err); !errors.Is(err, registry.ErrTooManyRequests) || e.RetryAfter != 17*time.Second {
		t.Errorf("got %v, wait %s; want ErrTooManyRequests, 17s", err, e.RetryAfter)
	}
	if n := manifests.Load(); n != 1 {
		t.Errorf("asked %d times; want once", n)
	}
}

func TestAFailureIsNotTriedAgainBehindTheCallersBack(t *testing.T) {
	f := serve(t, plain)
	var manifests atomic.Int32
	f.behave(func(w http.ResponseWriter, r *http.Request, through http.Handler) {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			through.ServeHTTP(w, r)
			return
		}
		manifests.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{})
	if n := manifests.Load(); !errors.Is(err, registry.ErrUnavailable) || n != 1 {
		t.Errorf("got %v after %d tries; want ErrUnavailable after one", err, n)
	}
}

func TestARegistryThatStallsIsGivenUpInTime(t *testing.T) {
	f := serve(t, plain)
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	f.behave(func(http.ResponseWriter, *http.Request, http.Handler) { <-released })
	_, err := client(t, registry.Options{Timeout: 30 * time.Millisecond}).Resolve(t.Context(), f.host+"/a/b:c", registry.Auth{})
	if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "no answer within 30ms") {
		t.Errorf("got %v; want ErrUnavailable that names the time", err)
	}
}

func TestACallerWhoGoesAwayIsNoFaultOfTheRegistry(t *testing.T) {
	f := serve(t, plain)
	why := errors.New("newer commit")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := client(t, registry.Options{}).Resolve(ctx, f.host+"/a/b:c", registry.Auth{})
	if !errors.Is(err, why) || errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("got %v; want the caller's cause", err)
	}
}

// tokenDoor is a registry with a token service (distribution's auth/token).
func tokenDoor(f *fixture, password string, tokens *atomic.Int32) {
	f.behave(func(w http.ResponseWriter, r *http.Request, through http.Handler) {
		switch user, pass, _ := r.BasicAuth(); {
		case r.URL.Path == "/token" && user == "bot" && pass == password:
			tokens.Add(1)
			fmt.Fprint(w, `{"token":"opaque","expires_in":300}`)
		case r.URL.Path == "/token":
			w.WriteHeader(http.StatusUnauthorized)
		case r.Header.Get("Authorization") == "Bearer opaque":
			through.ServeHTTP(w, r)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+f.URL+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

func TestATokenIsFetchedOnceForManyQuestions(t *testing.T) {
	f, c := serve(t, plain), client(t, registry.Options{})
	want := f.push(t, "acme/shop:v1")
	var tokens atomic.Int32
	tokenDoor(f, "hunter2", &tokens)
	for range 5 {
		got, err := c.Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{Username: "bot", Password: secret.New("hunter2")})
		if err != nil || got != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	if n := tokens.Load(); n != 1 {
		t.Errorf("fetched %d tokens; want 1", n)
	}
}

func TestANewPasswordReplacesAWrongOneAndNoneIsShown(t *testing.T) {
	f, c := serve(t, plain), client(t, registry.Options{})
	f.push(t, "acme/shop:v1")
	var tokens atomic.Int32
	tokenDoor(f, "hunter2", &tokens)
	ask := func(password string) error {
		_, err := c.Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{Username: "bot", Password: secret.New(password)})
		return err
	}
	err := ask("stale-canary")
	if !errors.Is(err, registry.ErrUnauthorized) || strings.Contains(fmt.Sprintf("%v %+v", err, failure(t, err)), "stale-canary") {
		t.Errorf("got %v; want ErrUnauthorized without the password", err)
	}
	if err := ask("hunter2"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
	if err := ask("stale-canary"); !errors.Is(err, registry.ErrUnauthorized) {
		t.Errorf("the wrong password rode on the right one's token: %v", err)
	}
}

func TestAnAnswerWithoutADigestHeaderIsReadInFull(t *testing.T) {
	f := serve(t, plain)
	want := f.push(t, "acme/shop:v1")
	f.behave(func(w http.ResponseWriter, r *http.Request, through http.Handler) {
		if r.Method == http.MethodHead {
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			w.Header().Set("Content-Length", "7")
			return
		}
		through.ServeHTTP(w, r)
	})
	got, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{})
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestDockerHubIsAskedThroughItsMirror(t *testing.T) {
	for _, ref := range []string{"nginx:1.27", "library/nginx:1.27", "docker.io/nginx:1.27", "index.docker.io/library/nginx:1.27"} {
		f := serve(t, plain)
		want := f.push(t, "library/nginx:1.27")
		c := client(t, registry.Options{Hosts: map[string]registry.Host{"docker.io": {Mirror: "http://" + f.host}}})
		got, err := c.Resolve(t.Context(), ref, registry.Auth{})
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", ref, got, err, want)
		}
	}
}

func TestWhatTheMirrorCannotAnswerTheRegistryDoesAndOnlyItSeesThePassword(t *testing.T) {
	mirror, origin := serve(t, plain), serve(t, plain)
	want := origin.push(t, "acme/shop:v1")
	var tokens, leaked atomic.Int32
	tokenDoor(origin, "hunter2", &tokens)
	mirror.behave(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="mirror"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	c := client(t, registry.Options{Hosts: map[string]registry.Host{origin.host: {Mirror: mirror.URL}}})
	got, err := c.Resolve(t.Context(), origin.host+"/acme/shop:v1", registry.Auth{Username: "bot", Password: secret.New("hunter2")})
	if err != nil || got != want || leaked.Load() != 0 {
		t.Fatalf("got %q, %v, %d leaks; want %q", got, err, leaked.Load(), want)
	}
}

func TestAPrivateCAIsTrustedForItsRegistryAlone(t *testing.T) {
	f := serve(t, (*httptest.Server).StartTLS)
	want := f.push(t, "acme/shop:v1")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	with := client(t, registry.Options{Hosts: map[string]registry.Host{f.host: {CA: ca}}})
	if got, err := with.Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{}); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := client(t, registry.Options{}).Resolve(t.Context(), f.host+"/acme/shop:v1", registry.Auth{}); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("without the CA: %v; want ErrUnavailable", err)
	}
}

func TestUnusableOptionsAreNamedTogether(t *testing.T) {
	_, err := registry.New(registry.Options{Hosts: map[string]registry.Host{
		"ghcr.io":   {CA: []byte("nonsense")},
		"docker.io": {Mirror: "https://mirror.example.com/Path"},
	}})
	for _, want := range []string{"ghcr.io", "no PEM", "docker.io", "read mirror"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestAMirrorMayHaveAFolderAndAnAccountOfItsOwn(t *testing.T) {
	mirror := serve(t, plain)
	want := mirror.push(t, "hub/library/postgres:15")
	var tokens atomic.Int32
	tokenDoor(mirror, "sesame", &tokens)
	c := client(t, registry.Options{Hosts: map[string]registry.Host{"docker.io": {
		Mirror: mirror.URL + "/hub", MirrorAuth: registry.Auth{Username: "bot", Password: secret.New("sesame")},
	}}})
	got, err := c.Resolve(t.Context(), "postgres:15", registry.Auth{Username: "shop", Password: secret.New("of Docker Hub")})
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestAHostIsToldWhereTheMirrorHasAnImage(t *testing.T) {
	c := client(t, registry.Options{Hosts: map[string]registry.Host{
		"docker.io": {Mirror: "http://10.0.0.5:5000", MirrorAuth: registry.Auth{Username: "reader"}},
		"ghcr.io":   {Mirror: "mirror.example.com/github/"},
		"quay.io":   {Insecure: true},
	}})
	digest := "@sha256:" + strings.Repeat("a", 64)
	for ref, want := range map[string]string{
		"postgres:15":                      "10.0.0.5:5000/library/postgres:15",
		"docker.io/library/postgres":       "10.0.0.5:5000/library/postgres:latest",
		"acme/shop" + digest:               "10.0.0.5:5000/acme/shop" + digest,
		"index.docker.io/acme/shop:v1":     "10.0.0.5:5000/acme/shop:v1",
		"ghcr.io/acme/shop:v1":             "mirror.example.com/github/acme/shop:v1",
		"quay.io/acme/shop:v1":             "",
		"registry.example.com/a:v1":        "",
		"not a reference":                  "",
		"10.0.0.5:5000/library/postgres:1": "",
	} {
		there, auth, server, ok := c.Mirrored(ref)
		if there != want || ok != (want != "") {
			t.Errorf("%s: got %q, %t; want %q", ref, there, ok, want)
		}
		if account := auth.Username == "reader"; account != strings.HasPrefix(want, "10.0.0.5") || ok && !strings.HasPrefix(want, server) {
			t.Errorf("%s: the account is %q at %q", ref, auth.Username, server)
		}
	}
}

func TestARegistryThatIsThereTwiceIsNamed(t *testing.T) {
	_, err := registry.New(registry.Options{Hosts: map[string]registry.Host{"docker.io": {}, "index.docker.io": {}}})
	if err == nil || !strings.Contains(err.Error(), "another name of docker.io") {
		t.Errorf("got %v", err)
	}
}
