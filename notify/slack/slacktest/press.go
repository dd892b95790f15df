package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Press is a person's click on a button.
type Press struct {
	User, Name string
	Team       string // the person's, "" for that of the app
	TS         string // of the message
	Button     Button
	ReplyTo    string // response_url, "" for the server's own
	Time       string // action_ts, "" for a new one
}

// Press sends a click to the newest connection, and returns the envelope's id.
func (s *Server) Press(p Press) (envelope string, err error) {
	s.happen(func() {
		s.n++
		envelope = "envelope-" + strconv.Itoa(s.n)
	})
	return envelope, s.PressAgain(envelope, p)
}

// PressAgain sends a click in an envelope that there may have been before.
func (s *Server) PressAgain(envelope string, p Press) error {
	payload := p.payload(s.Base, envelope)
	frame, err := json.Marshal(map[string]any{"type": "interactive", "envelope_id": envelope, "accepts_response_payload": false, "payload": payload})
	if err != nil {
		return err
	}
	return s.Send(frame)
}

func (p Press) payload(base, envelope string) map[string]any {
	orElse := func(a, b string) string {
		if a == "" {
			return b
		}
		return a
	}
	return map[string]any{
		"type": "block_actions", "api_app_id": "A1", "trigger_id": "1.2.3", "is_enterprise_install": false, "enterprise": nil,
		"team":         map[string]any{"id": Team, "domain": "acme"},
		"user":         map[string]any{"id": p.User, "username": p.Name, "name": p.Name, "team_id": orElse(p.Team, Team)},
		"container":    map[string]any{"type": "message", "message_ts": p.TS, "channel_id": Channel, "is_ephemeral": false},
		"channel":      map[string]any{"id": Channel, "name": "deploys"},
		"message":      map[string]any{"type": "message", "ts": p.TS},
		"response_url": orElse(p.ReplyTo, base+"/response"),
		"actions": []any{map[string]any{
			"type": "button", "action_id": p.Button.Action, "block_id": "b1", "value": p.Button.Value, "action_ts": orElse(p.Time, envelope),
		}},
	}
}

// Send sends a frame to the newest connection, whatever it is.
func (s *Server) Send(frame []byte) error {
	s.mu.Lock()
	lines := slices.Clone(s.lines)
	s.mu.Unlock()
	if len(lines) == 0 {
		return errors.New("nobody is connected")
	}
	return lines[len(lines)-1].write(frame)
}

// SendOld sends a frame to the oldest connection that stands.
func (s *Server) SendOld(frame []byte) error {
	s.mu.Lock()
	lines := slices.Clone(s.lines)
	s.mu.Unlock()
	if len(lines) == 0 {
		return errors.New("nobody is connected")
	}
	return lines[0].write(frame)
}

// Leave announces the end of the newest connection, which stays open.
func (s *Server) Leave(reason string) error {
	return s.Send(fmt.Appendf(nil, `{"type":"disconnect","reason":%q,"debug_info":{"host":"applink"}}`, reason))
}

// Cut ends all connections without a word.
func (s *Server) Cut() {
	s.mu.Lock()
	lines := slices.Clone(s.lines)
	s.mu.Unlock()
	for _, l := range lines {
		_ = l.conn.CloseNow() // it may have ended
	}
}
