package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// errSlow is the cause when an answer takes too long.
var errSlow = errors.New("the answer took too long")

// API returns the handler of the unix socket: whoever can open that may do
// what the daemon may.
func (s *Server) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", answer(s, askTimeout, s.status))
	mux.HandleFunc("GET /v1/history", answer(s, askTimeout, s.history))
	mux.HandleFunc("GET /v1/releases/{id}", answer(s, askTimeout, s.release))
	mux.HandleFunc("GET /v1/plan", answer(s, planTimeout, s.plan))
	mux.HandleFunc("GET /v1/events", s.stream)
	mux.HandleFunc("POST /v1/submit", answer(s, askTimeout, s.submit))
	if s.o.Cordons != nil {
		mux.HandleFunc("POST /v1/hosts/cordon", answer(s, askTimeout, s.cordon))
	}
	mux.HandleFunc("POST /v1/notify/test", answer(s, planTimeout, s.testNotify))
	if s.o.Operator != nil {
		mux.HandleFunc("POST /v1/operate", s.operate)
	}
	mux.HandleFunc("GET /health", answer(s, healthTimeout, s.health))
	mux.HandleFunc("/", answer(s, askTimeout, nowhere))
	return s.guarded(mux)
}

// Public returns the handler of the TCP listener: nothing there changes
// anything but a verified webhook, which is only a hint.
func (s *Server) Public() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", answer(s, healthTimeout, s.health))
	mux.HandleFunc("GET /metrics", s.metrics)
	if s.o.Hooks != nil {
		mux.Handle("/hooks/{source}", s.o.Hooks)
	}
	mux.HandleFunc("/", answer(s, askTimeout, nowhere))
	return s.guarded(mux)
}

// guarded bounds bodies and turns a panic into an answer and a log line.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch v := recover(); v {
			case nil:
			case http.ErrAbortHandler:
				panic(v)
			default:
				s.o.Log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", v)
				s.refuse(w, &Error{http.StatusInternalServerError, "the daemon made a mistake", "see its log"})
			}
		}()
		if !strings.HasPrefix(r.URL.Path, "/hooks/") { // hooks have their own bound
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// answer makes a handler of a function that returns what is said as JSON.
func answer[T any](s *Server, limit time.Duration, ask func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeoutCause(r.Context(), limit, errSlow)
		defer cancel()
		v, err := ask(r.WithContext(ctx))
		if err != nil {
			s.refuse(w, s.explain(ctx, r, err))
			return
		}
		s.say(w, http.StatusOK, v)
	}
}

// explain turns any error into one that can be shown. What nobody foresaw is
// logged here and shown as it is: whoever asks owns the daemon.
func (s *Server) explain(ctx context.Context, r *http.Request, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Error{http.StatusNotFound, "there is no such release", "`fairlead history` lists them; what was just ordered is there when its turn has come"}
	case ctx.Err() != nil:
		return &Error{http.StatusServiceUnavailable, context.Cause(ctx).Error(), "try again"}
	}
	s.o.Log.Error("request was not answered", "method", r.Method, "path", r.URL.Path, "err", err)
	return &Error{http.StatusInternalServerError, err.Error(), "see the daemon's log"}
}

func (s *Server) refuse(w http.ResponseWriter, e *Error) { s.say(w, e.Status, e) }

func (s *Server) say(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.o.Log.Error("answer was not encoded", "err", err)
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be encoded","hint":"see the daemon's log"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the asker may have gone
}

func nowhere(r *http.Request) (struct{}, error) {
	return struct{}{}, &Error{http.StatusNotFound, "nothing is served at " + r.Method + " " + plain(r.URL.Path), "the command line and the daemon may be of different versions"}
}

func (s *Server) status(r *http.Request) (Status, error) {
	return s.look(r.Context(), time.Now())
}

func (s *Server) history(r *http.Request) (History, error) {
	q := r.URL.Query()
	f := store.Filter{
		Repo:   q.Get("repo"),
		Lane:   release.Lane{Service: q.Get("service"), Destination: q.Get("destination")},
		Before: release.ID(q.Get("before")),
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return History{}, &Error{http.StatusBadRequest, "limit is no number above 0", "write limit=20"}
		}
		f.Limit = n
	}
	if q.Has("destination") && f.Lane.Service == "" {
		return History{}, &Error{http.StatusBadRequest, "a destination without a service", "name the service, too"}
	}
	releases, err := s.o.Releases.Releases(r.Context(), f)
	return History{Releases: notNil(releases)}, err
}

func (s *Server) release(r *http.Request) (Detail, error) {
	found, err := s.o.Releases.Release(r.Context(), release.ID(r.PathValue("id")))
	if err != nil {
		return Detail{}, err
	}
	events, err := s.o.Releases.ReleaseEvents(r.Context(), found.ID)
	return Detail{Release: found, Events: notNil(events)}, err
}

func (s *Server) plan(r *http.Request) (release.Plan, error) {
	q := r.URL.Query()
	if q.Get("repo") == "" {
		return release.Plan{}, &Error{http.StatusBadRequest, "no repository is named", "name one of fairlead.yml's"}
	}
	p, err := s.o.Desk.Plan(r.Context(), q.Get("repo"), q.Get("destination"))
	p.Changes = notNil(p.Changes)
	return p, err
}

// Accepted is the answer to an order.
type Accepted struct {
	Accepted bool `json:"accepted"`
	// Release is what comes of the order, to be followed among the events and
	// explained. There is no such release before its turn comes. "" for a hold.
	Release release.ID `json:"release,omitempty"`
}

func (s *Server) submit(r *http.Request) (Accepted, error) {
	var o Order
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return Accepted{}, &Error{http.StatusBadRequest, "the order cannot be read: " + plain(err.Error()), "the command line and the daemon may be of different versions"}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Accepted{}, &Error{http.StatusBadRequest, "there is more than one order", "send one"}
	}
	if err := o.check(); err != nil {
		return Accepted{}, err
	}
	o = o.cleaned()
	if o.Action != Hold {
		var err error
		if o.Release, err = s.o.Desk.Name(r.Context(), o.Repo); err != nil {
			return Accepted{}, err
		}
	}
	err := s.o.Desk.Submit(r.Context(), o)
	return Accepted{Accepted: err == nil, Release: o.Release}, err
}

func (s *Server) testNotify(r *http.Request) ([]Sent, error) {
	sent, err := s.o.Desk.TestNotify(r.Context())
	return notNil(sent), err
}

// healthTimeout is short: who asks for health asks often.
const healthTimeout = 2 * time.Second

// Health is the answer of GET /health.
type Health struct {
	Status string `json:"status"` // "ok"
	Seq    int64  `json:"seq"`    // of the newest event
}

func (s *Server) health(r *http.Request) (Health, error) {
	seq, err := s.o.Events.LastSeq(r.Context())
	if err != nil {
		return Health{}, &Error{http.StatusServiceUnavailable, "the store does not answer", "see the daemon's log"}
	}
	return Health{Status: "ok", Seq: seq}, nil
}

// notNil makes JSON say [] and not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
