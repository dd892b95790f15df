// Package webhook answers the calls by which forges say that somebody pushed:
// POST /hooks/{source}. It checks the signature and asks for a look at the
// repository; what the payload says is only a hint, so that a forged, repeated
// or late call can never choose what is deployed.
//
// Nothing is logged or kept of a call that is not authentic; it is counted. Looking at
// repositories and talking to forges do not live here.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// MaxBody is how many bytes a call may have.
const MaxBody = 1 << 20

// Source is one sender of calls, at /hooks/Name.
type Source struct {
	Name     string
	Provider Provider
	Repo     string // to look at, as in fairlead.yml
	// Branch is the watched one; a push to another branch asks for nothing. Empty,
	// a tag pattern or a full ref: every push does.
	Branch string
	// Secrets are the shared secret and, while it is being changed, the one
	// before. None may be empty.
	Secrets []secret.Value
}

// Trigger asks for a look at a repository and returns at once.
type Trigger func(repo string, cause release.Cause)

// Handler serves /hooks/{source}; it is safe for concurrent use.
type Handler struct {
	sources map[string]*source
	nobody  *source // stands in for names that nobody has
	trigger Trigger
	refused *Refusals
}

type source struct {
	Source
	check check
}

// New makes a handler that counts what it refuses in refused (nil: in one of
// its own); the error names every source that is not right.
func New(sources []Source, trigger Trigger, refused *Refusals) (*Handler, error) {
	if refused == nil {
		refused = &Refusals{}
	}
	h := &Handler{sources: make(map[string]*source, len(sources)), trigger: trigger, refused: refused}
	var wrong []error
	for _, s := range sources {
		made, err := newSource(s)
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("webhook %s: %w", s.Name, err))
		case h.sources[s.Name] != nil:
			wrong = append(wrong, fmt.Errorf("webhook %s: named twice", s.Name))
		default:
			h.sources[s.Name] = made
		}
	}
	h.nobody = &source{check: never}
	return h, errors.Join(wrong...)
}

func newSource(s Source) (*source, error) {
	check, err := s.Provider.check()
	if err != nil {
		return nil, err
	}
	if s.Name == "" || s.Repo == "" {
		return nil, errors.New("it needs a name and a repository")
	}
	if len(s.Secrets) == 0 || len(s.Secrets) > 2 {
		return nil, errors.New("it needs one secret, or two while it is being changed")
	}
	for _, v := range s.Secrets {
		if v.IsZero() {
			return nil, errors.New("its secret is empty; make one with: openssl rand -hex 32")
		}
	}
	return &source{s, check}, nil
}

// Refusals counts the calls that were refused.
func (h *Handler) Refusals() *Refusals { return h.refused }

// ServeHTTP answers 202 to an authentic call, 401 to any other whether or not
// the source exists, 405 to methods other than POST, 413 and 415 to bodies that
// are too long or compressed. The source is the path value "source"
// ("POST /hooks/{source}" with http.ServeMux).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, ok := h.sources[r.PathValue("source")]
	if !ok {
		s = h.nobody
	}
	if r.Method != http.MethodPost {
		h.refused.note(s.Name, NotPOST)
		w.Header().Set("Allow", http.MethodPost)
		answer(w, http.StatusMethodNotAllowed, "only POST is answered here")
		return
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		h.refused.note(s.Name, Compressed)
		answer(w, http.StatusUnsupportedMediaType, "send the body uncompressed")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		h.refused.note(s.Name, TooLong)
		answer(w, http.StatusRequestEntityTooLarge, "the body is more than 1 MiB")
		return
	}
	if err != nil {
		h.refused.note(s.Name, CutOff)
		answer(w, http.StatusBadRequest, "the body ended early")
		return
	}
	if !s.authentic(r.Header, body) {
		h.refused.note(s.Name, s.why(r.Header))
		answer(w, http.StatusUnauthorized, "not authentic")
		return
	}
	hint := s.Provider.hint(r.Header, body)
	if !hint.skips(s.Branch) {
		h.trigger(s.Repo, release.Cause{Kind: release.CauseWebhook, Detail: hint.delivery})
	}
	answer(w, http.StatusAccepted, "accepted")
}

// authentic tries every secret, whatever the first one says.
func (s *source) authentic(header http.Header, body []byte) bool {
	if len(s.Secrets) == 0 {
		return s.check(header, body, secret.Value{})
	}
	good := false
	for _, v := range s.Secrets {
		good = s.check(header, body, v) || good
	}
	return good
}

// never takes as long as a check and is always false.
func never(_ http.Header, body []byte, key secret.Value) bool {
	hmac.Equal(sum(body, key), make([]byte, sha256.Size))
	return false
}

func sum(body []byte, key secret.Value) []byte {
	m := hmac.New(sha256.New, []byte(key.Reveal()))
	m.Write(body)
	return m.Sum(nil)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
