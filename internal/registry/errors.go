package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/fairlead-deploy/fairlead/release"
)

// What a question can come to. Test with errors.Is.
var (
	// ErrNotFound: the registry answers that the tag or repository is not there.
	ErrNotFound = errors.New("image not found")
	// ErrUnauthorized: the registry refuses the account, or asks for one. Some
	// (Docker Hub) say so of repositories that do not exist.
	ErrUnauthorized = errors.New("registry refused the credentials")
	// ErrTooManyRequests: the registry limits us; Error.RetryAfter says for how
	// long, when it said so.
	ErrTooManyRequests = errors.New("registry asks for fewer requests")
	// ErrUnavailable: no answer, a broken one, or a 5xx.
	ErrUnavailable = errors.New("registry unavailable")
	// ErrBadReference: what was asked for is no image reference.
	ErrBadReference = errors.New("not an image reference")
)

// errNoAnswer is the cause of a question that took too long.
var errNoAnswer = errors.New("no answer")

// Error is why a reference could not be resolved.
type Error struct {
	Kind       error         // one of the sentinels of this package
	Ref        string        // as it was asked for
	Registry   string        // "ghcr.io", "docker.io", …
	RetryAfter time.Duration // ErrTooManyRequests: the registry's wish, 0 when it gave none
	Err        error         // the cause
}

// Class says whose fault it is: a bad reference is the release's, all else
// the world's and waited out.
func (e *Error) Class() release.Class {
	if errors.Is(e.Kind, ErrBadReference) {
		return release.Verdict
	}
	return release.World
}

func (e *Error) Error() string {
	s := fmt.Sprintf("resolve image %s: %v", e.Ref, e.Kind)
	// What a registry says of an absent image or a refused account is only a
	// status, which the kind says better.
	plain := errors.Is(e.Kind, ErrNotFound) || errors.Is(e.Kind, ErrUnauthorized)
	if detail := plainly(e.Err); detail != "" && !plain {
		s += ": " + detail
	}
	switch {
	case errors.Is(e.Kind, ErrNotFound):
		s += "; push the image, or correct image: in deploy.yml"
	case errors.Is(e.Kind, ErrUnauthorized):
		s += fmt.Sprintf("; check registry.username and registry.password for %s, and that the repository exists", e.Registry)
	case e.RetryAfter > 0:
		s += fmt.Sprintf("; it asks to wait %s", e.RetryAfter)
	case errors.Is(e.Kind, ErrUnavailable) && e.Registry != "":
		s += fmt.Sprintf("; check the name %s in deploy.yml, and that this machine reaches it: curl -I https://%s/v2/", e.Registry, door(e.Registry))
	}
	return s
}

// door is where a registry answers.
func door(registry string) string {
	if registry == "docker.io" {
		return "registry-1.docker.io"
	}
	return registry
}

// plainly is why a registry was not reached, without the layers of Go that
// passed it on.
func plainly(err error) string {
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("the name %s cannot be resolved here (%s)", name.Name, name.Err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" && op.Addr != nil {
		return fmt.Sprintf("no connection to %s (%v)", op.Addr, op.Err)
	}
	return oneLine(err)
}

// Unwrap gives errors.Is and errors.As the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// classify turns what the client library says into an Error.
func classify(ref, host string, err error) *Error {
	e := &Error{Kind: ErrUnavailable, Ref: ref, Registry: host, Err: err}
	if limited, ok := errors.AsType[*limitedError](err); ok {
		e.Kind, e.RetryAfter, e.Err = ErrTooManyRequests, limited.retryAfter, limited
		return e
	}
	if answer, ok := errors.AsType[*transport.Error](err); ok && !errors.Is(err, context.DeadlineExceeded) {
		switch answer.StatusCode {
		case http.StatusNotFound:
			e.Kind = ErrNotFound
		case http.StatusUnauthorized, http.StatusForbidden:
			e.Kind = ErrUnauthorized
		}
	}
	return e
}

// maxDetail bounds what a registry can put into a message, in bytes.
const maxDetail = 300

// oneLine flattens a foreign error: control characters could forge lines.
func oneLine(err error) string {
	if err == nil {
		return ""
	}
	s := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail], "") + "…"
	}
	return s
}
