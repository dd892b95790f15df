package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

const (
	heartbeat    = 15 * time.Second // between comments on a silent stream
	writeTimeout = 10 * time.Second // of one batch; who does not read is cut off
	batch        = 100              // events read at once
)

var errSilent = errors.New("nothing happened")

// stream sends events as they happen, as server-sent events (HTML standard,
// 9.2): the id is the seq, so that a client that reconnects with Last-Event-ID,
// or ?after=SEQ, misses none. Without either it begins now.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		s.refuse(w, &Error{http.StatusServiceUnavailable, "too many streams are open", "close one, or try again"})
		return
	}
	after, err := s.begin(r)
	if err != nil {
		s.refuse(w, s.explain(r.Context(), r, err))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	err = send(": from " + strconv.FormatInt(after, 10) + "\n\n")
	for err == nil {
		after, err = s.follow(r.Context(), after, send)
	}
	if r.Context().Err() == nil {
		s.o.Log.Debug("event stream ended", "err", err)
	}
}

// begin returns the seq after which the stream begins.
func (s *Server) begin(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		text = id
	}
	if text == "" {
		ctx, cancel := context.WithTimeoutCause(r.Context(), askTimeout, errSlow)
		defer cancel()
		return s.o.Events.LastSeq(ctx)
	}
	after, err := strconv.ParseInt(text, 10, 64)
	if err != nil || after < 0 {
		return 0, &Error{http.StatusBadRequest, "after is no number of an event", "write after=0 for all"}
	}
	return after, nil
}

// follow waits for events after seq and sends them, or a comment when none
// come. It returns the seq of the last one sent.
func (s *Server) follow(ctx context.Context, after int64, send func(string) error) (int64, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, heartbeat, errSilent)
	defer cancel()
	if err := s.o.Events.Wait(waiting, after); err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return after, send(": alive\n\n")
		}
		return after, err
	}
	events, err := s.o.Events.Events(ctx, after, batch)
	if err != nil {
		return after, err
	}
	for _, ev := range events {
		if err := send(frame(ev)); err != nil {
			return after, err
		}
		after = ev.Seq
	}
	return after, nil
}

// frame is an event on the wire. JSON has no line break in it.
func frame(ev release.Event) string {
	body, err := json.Marshal(ev)
	if err != nil {
		body = []byte(`{}`)
	}
	return fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", ev.Seq, ev.Kind, body)
}
