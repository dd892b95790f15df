package socket

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fairlead-deploy/fairlead/notify"
)

// Kind is the type of a frame (docs.slack.dev/apis/events-api/using-socket-mode).
type Kind string

// The kinds that matter here. All others are acknowledged and left.
const (
	Hello       Kind = "hello"
	Disconnect  Kind = "disconnect"
	Interactive Kind = "interactive"
)

// Frame is one message of Slack's.
type Frame struct {
	Kind Kind
	// Reason of a Disconnect: "warning" (it closes in some seconds),
	// "refresh_requested", "link_disabled", "too_many_websockets".
	Reason string
	// Envelope is what is to be acknowledged, "" where nothing is.
	Envelope string
	Payload  json.RawMessage
}

// Bounds of what Slack may send.
const (
	maxFrame    = 512 << 10 // a message comes along with each click on it
	maxEnvelope = 100       // Slack's have 36
	maxWord     = 64        // of a kind or a reason
)

var errFrame = errors.New("read frame")

// Decode reads one frame. It errs where that is not what Slack documents.
func Decode(data []byte) (Frame, error) {
	if len(data) > maxFrame {
		return Frame{}, fmt.Errorf("%w: it is longer than %d bytes", errFrame, maxFrame)
	}
	var raw struct {
		Type       string          `json:"type"`
		Reason     string          `json:"reason"`
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Frame{}, fmt.Errorf("%w: it is no JSON object of the kind", errFrame)
	}
	f := Frame{Kind: Kind(raw.Type), Reason: notify.Clean(raw.Reason, maxWord), Envelope: raw.EnvelopeID, Payload: raw.Payload}
	switch {
	case raw.Type == "":
		return Frame{}, fmt.Errorf("%w: it has no type", errFrame)
	case len(raw.Type) > maxWord || len(raw.EnvelopeID) > maxEnvelope:
		return Frame{}, fmt.Errorf("%w: its type or envelope_id is too long", errFrame)
	case f.Kind == Interactive && f.Envelope == "":
		return Frame{}, fmt.Errorf("%w: an interaction without envelope_id", errFrame)
	}
	return f, nil
}
