// Package slacktest is a Slack in this process, for tests: the calls of the Web
// API that Fairlead makes and Socket Mode, over real HTTP and websockets, as
// Slack documents them.
//
// Lives here: what Slack answers, and what a person does to its messages. May
// not live here: what a test expects.
package slacktest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// The tokens that the server takes, and the workspace it is.
const (
	BotToken = "xoxb-slacktest"
	AppToken = "xapp-1-slacktest"
	Channel  = "C024BE91L"
	Team     = "T061EG9R6"
)

// Server is one Slack with one app and one channel.
type Server struct {
	// Base is the address of its Web API, once it is served.
	Base string

	http *httptest.Server

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced whenever anything happens
	messages []Message
	whispers []string
	deny     map[string]string // method: error
	tickets  map[string]bool
	lines    []*line // open ones, oldest first
	opened   int     // connections that there ever were
	asked    int     // calls of apps.connections.open
	acks     []string
	n        int // for everything that must differ
	mute     bool
}

// Message is one in the channel, as it stands now.
type Message struct {
	TS, Thread, Text string // Thread is "" for one that is in none
	Buttons          []Button
}

// Button is one under a message.
type Button struct {
	Action  string // action_id
	Value   string
	Label   string
	Confirm string // text that is asked first, "" for none
}

// line is one connection of Socket Mode.
type line struct {
	conn *websocket.Conn
	send sync.Mutex
}

// New makes a server that is not served yet; it is an http.Handler.
func New() *Server {
	return &Server{changed: make(chan struct{}), deny: map[string]string{}, tickets: map[string]bool{}}
}

// Start makes and serves one. Close ends it.
func Start() *Server {
	s := New()
	s.http = httptest.NewServer(s)
	s.Base = s.http.URL
	return s
}

// Close ends all connections and the server.
func (s *Server) Close() {
	s.Cut()
	if s.http != nil {
		s.http.Close()
	}
}

// happen changes the state and wakes those who wait.
func (s *Server) happen(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Await waits until something holds.
func (s *Server) Await(ctx context.Context, what string, holds func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

// Deny makes a method answer with an error from now on; "" ends that.
func (s *Server) Deny(method, code string) { s.happen(func() { s.deny[method] = code }) }

// Mute makes Slack take connections without a word, or ends that.
func (s *Server) Mute(yes bool) { s.happen(func() { s.mute = yes }) }

// Messages are all in the channel, oldest first, threads among them.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Thread are the texts in the thread of a message, oldest first.
func (s *Server) Thread(ts string) []string {
	var texts []string
	for _, m := range s.Messages() {
		if m.Thread == ts {
			texts = append(texts, m.Text)
		}
	}
	return texts
}

// Whispers are what single people were told, oldest first.
func (s *Server) Whispers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.whispers)
}

// Lines is how many connections stand, Opened how many there ever were, and
// Asked how many were asked for.
func (s *Server) Lines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// Opened is how many connections there ever were.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Asked is how many connections were asked for.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Acked counts the acknowledgements of an envelope.
func (s *Server) Acked(envelope string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, id := range s.acks {
		if id == envelope {
			n++
		}
	}
	return n
}

// ServeHTTP is the Web API, the websocket and the address for answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/link" {
		s.link(w, r)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/response" {
		var body struct {
			Text string `json:"text"`
			Type string `json:"response_type"`
		}
		if json.Unmarshal(raw, &body) != nil || body.Type != "ephemeral" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.happen(func() { s.whispers = append(s.whispers, body.Text) })
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/")
	var answer map[string]any
	s.happen(func() { answer = s.answer(method, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), raw) })
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

// answer is what a method says. s.mu is held.
func (s *Server) answer(method, token string, raw []byte) map[string]any {
	deny := func(code string) map[string]any { return map[string]any{"ok": false, "error": code} }
	open := method == "apps.connections.open"
	if open {
		s.asked++
	}
	switch {
	case s.deny[method] != "":
		return deny(s.deny[method])
	case token != BotToken && token != AppToken:
		return deny("invalid_auth")
	case (token == AppToken) != open:
		return deny("not_allowed_token_type")
	case open:
		s.n++
		ticket := strconv.Itoa(s.n)
		s.tickets[ticket] = true
		return map[string]any{"ok": true, "url": strings.Replace(s.Base, "http", "ws", 1) + "/link?ticket=" + ticket}
	}
	return s.write(method, raw, deny)
}

// write is chat.postMessage and chat.update.
func (s *Server) write(method string, raw []byte, deny func(string) map[string]any) map[string]any {
	m, err := readMessage(raw)
	if err != nil {
		return deny("invalid_arguments")
	}
	answer := map[string]any{"ok": true, "channel": Channel}
	switch i := slices.IndexFunc(s.messages, func(old Message) bool { return old.TS == m.TS }); {
	case method == "chat.postMessage":
		s.n++
		m.TS = fmt.Sprintf("1700000000.%06d", s.n)
		s.messages = append(s.messages, m)
	case method != "chat.update":
		return deny("unknown_method")
	case i < 0:
		return deny("message_not_found")
	default:
		s.messages[i] = m
	}
	answer["ts"] = m.TS
	return answer
}

func readMessage(raw []byte) (Message, error) {
	var body struct {
		TS     string `json:"ts"`
		Thread string `json:"thread_ts"`
		Text   string `json:"text"`
		Blocks []struct {
			Type     string `json:"type"`
			Elements []struct {
				Action  string `json:"action_id"`
				Value   string `json:"value"`
				Text    struct{ Text string }
				Confirm *struct{ Text struct{ Text string } }
			} `json:"elements"`
		} `json:"blocks"`
	}
	err := json.Unmarshal(raw, &body)
	m := Message{TS: body.TS, Thread: body.Thread, Text: body.Text}
	for _, b := range body.Blocks {
		for _, e := range b.Elements {
			button := Button{Action: e.Action, Value: e.Value, Label: e.Text.Text}
			if e.Confirm != nil {
				button.Confirm = e.Confirm.Text.Text
			}
			m.Buttons = append(m.Buttons, button)
		}
	}
	return m, err
}

// link is the other end of a websocket.
func (s *Server) link(w http.ResponseWriter, r *http.Request) {
	var known, mute bool
	s.happen(func() {
		known, mute = s.tickets[r.URL.Query().Get("ticket")], s.mute
		delete(s.tickets, r.URL.Query().Get("ticket")) // good once
	})
	if !known {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	l := &line{conn: conn}
	if !mute {
		if err := l.write([]byte(`{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"},"debug_info":{"approximate_connection_time":18060}}`)); err != nil {
			return
		}
	}
	s.happen(func() { s.lines, s.opened = append(s.lines, l), s.opened+1 })
	defer s.happen(func() { s.lines = slices.DeleteFunc(s.lines, func(o *line) bool { return o == l }) })
	for {
		_, data, err := conn.Read(context.Background())
		if err != nil {
			return
		}
		var ack struct {
			Envelope string `json:"envelope_id"`
		}
		if err := json.Unmarshal(data, &ack); err != nil {
			return
		}
		s.happen(func() { s.acks = append(s.acks, ack.Envelope) })
	}
}

func (l *line) write(data []byte) error {
	l.send.Lock()
	defer l.send.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, data)
}
