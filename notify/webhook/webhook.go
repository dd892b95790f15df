// Package webhook POSTs each event to a URL as a CloudEvent, signed.
//
// Lives here: the envelope and the signature. May not live here: retries
// (notify/outbox) and how a request is made (notify/post).
//
// The body is one CloudEvents 1.0 event in structured JSON mode
// (application/cloudevents+json): type "io.github.fairlead-deploy.release.STATUS",
// "….alert", "….recovered" or "….test", subject the service (and destination),
// data {title, level, text, next, event}.
//
// The signature is that of Standard Webhooks (standardwebhooks.com, spec 1.0),
// so that its libraries verify it:
//
//	webhook-id:        the message; the same when it is sent again, so drop what you have seen
//	webhook-timestamp: unix seconds of this attempt; refuse what is older than five minutes
//	webhook-signature: "v1," + base64(HMAC-SHA256(key, id + "." + timestamp + "." + body))
//
// The key is the secret's bytes, or, of a secret that begins with "whsec_",
// what the base64 behind it says. Compare in constant time, and before
// parsing the body. Verify does all this.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
	"github.com/fairlead-deploy/fairlead/release"
)

// Config says where the events go.
type Config struct {
	URL    secret.Value // many receivers put a token into it
	Secret secret.Value // empty: unsigned
	Source string       // CloudEvents source, a URI reference; "" = "/fairlead"
}

// Webhook is a notify.Notifier.
type Webhook struct {
	cfg    *Config // behind a pointer, for fmt looks into unexported fields
	client *post.Client
}

// New checks the configuration.
func New(cfg Config) (*Webhook, error) {
	if err := post.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("read webhook url: %w", err)
	}
	if _, err := signingKey(cfg.Secret); err != nil {
		return nil, fmt.Errorf("read webhook secret: %w", err)
	}
	if cfg.Source == "" {
		cfg.Source = "/fairlead"
	}
	return &Webhook{cfg: &cfg, client: post.New()}, nil
}

// envelope is a CloudEvent, github.com/cloudevents/spec v1.0.2.
type envelope struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            data      `json:"data"`
}

type data struct {
	Title string        `json:"title"`
	Level notify.Level  `json:"level"`
	Text  string        `json:"text,omitempty"`
	Next  string        `json:"next,omitempty"`
	Event release.Event `json:"event"`
}

// Notify sends a message.
func (w *Webhook) Notify(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(envelope{
		SpecVersion: "1.0", ID: m.ID, Source: w.cfg.Source, Type: kind(m), Subject: m.Event.Lane.String(),
		Time: m.At.UTC(), DataContentType: "application/json",
		Data: data{Title: m.Title, Level: m.Level, Text: m.Text, Next: m.Next, Event: m.Event},
	})
	if err != nil {
		return &notify.Error{Kind: notify.Refused, Err: fmt.Errorf("encode message: %w", err)}
	}
	header := http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	header.Set("webhook-id", m.ID)
	header.Set("webhook-timestamp", timestamp)
	key, err := signingKey(w.cfg.Secret)
	if err != nil {
		return &notify.Error{Kind: notify.Broken, Err: err}
	}
	if len(key) > 0 {
		header.Set("webhook-signature", "v1,"+signature(key, m.ID, timestamp, body))
	}
	reply, err := w.client.Do(ctx, post.Request{URL: w.cfg.URL, Header: header, Body: body})
	if err != nil {
		return err
	}
	return reply.Check()
}

func kind(m notify.Message) string {
	const prefix = "io.github.fairlead-deploy."
	switch {
	case m.Status() != "":
		return prefix + "release." + string(m.Status())
	case m.Event.Kind == release.EventAlert, m.Event.Kind == release.EventRecovered:
		return prefix + string(m.Event.Kind)
	}
	return prefix + "test"
}

func signingKey(s secret.Value) ([]byte, error) {
	encoded, ok := strings.CutPrefix(s.Reveal(), "whsec_")
	if !ok {
		return []byte(encoded), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("what follows whsec_ is not base64: copy it again")
	}
	return key, nil
}

func signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Tolerance is how old, or how far ahead, Verify lets a timestamp be.
const Tolerance = 5 * time.Minute

// ErrSignature: the request was not signed with this secret, or not now.
var ErrSignature = errors.New("the signature does not match")

// Verify checks a received request: what a receiver in Go does.
func Verify(s secret.Value, header http.Header, body []byte, now time.Time) error {
	key, err := signingKey(s)
	if err != nil {
		return err
	}
	if len(key) == 0 {
		return ErrSignature
	}
	timestamp := header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > Tolerance {
		return ErrSignature
	}
	want := []byte("v1," + signature(key, header.Get("webhook-id"), timestamp, body))
	for given := range strings.FieldsSeq(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(given), want) {
			return nil
		}
	}
	return ErrSignature
}
