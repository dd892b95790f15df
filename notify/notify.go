// Package notify turns events into messages for people and programs.
//
// Lives here: the Message, built purely from a release.Event; the one-method
// Notifier that each channel implements; the pure rule which event goes to
// which channel; and the cleaning of foreign text. May not live here: I/O,
// queues and waiting (notify/outbox), and what a single channel looks like
// (notify/slack, notify/webhook, …), which all pass notify/notifytest.
package notify

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Notifier sends one message to one channel. It returns nil when the receiver
// has it, else an error that is, or wraps, an *Error; any other error counts
// as Temporary. Sending a message with the same ID again must be harmless.
type Notifier interface {
	Notify(ctx context.Context, m Message) error
}

// Kind says what to do about a message that was not taken.
type Kind int

// The kinds of failure.
const (
	Temporary Kind = iota // try again later
	Refused               // this message will never be taken; others may
	Broken                // the channel takes nothing until a person mends it: wrong address, revoked token
)

func (k Kind) String() string {
	switch k {
	case Refused:
		return "refused"
	case Broken:
		return "broken"
	}
	return "temporary"
}

// Error says why a message was not taken.
type Error struct {
	Kind Kind
	// RetryAfter is how long the receiver asked us to be quiet, 0: it did not.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// CheckStatus classifies an HTTP status: nil for 2xx. retryAfter is the header
// of that name, seconds or a date (RFC 9110, 10.2.3); reply is what the
// receiver said, for the message.
func CheckStatus(status int, retryAfter, reply string, now time.Time) error {
	if status >= 200 && status <= 299 {
		return nil
	}
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	if reply = Clean(reply, 200); reply != "" {
		text += ": " + reply
	}
	e := &Error{Err: fmt.Errorf("the receiver answered %s", text)}
	switch {
	case status == http.StatusTooManyRequests:
		e.RetryAfter = ParseRetryAfter(retryAfter, now)
	case status == http.StatusServiceUnavailable:
		e.RetryAfter = ParseRetryAfter(retryAfter, now)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
	case status >= 300 && status <= 399:
		e.Kind, e.Err = Broken, fmt.Errorf("the receiver answered %s: redirects are not followed, write the new address", text)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusMethodNotAllowed, status == http.StatusGone, status == http.StatusProxyAuthRequired:
		e.Kind = Broken
	default:
		e.Kind = Refused
	}
	return e
}

// ParseRetryAfter reads a Retry-After header; 0 when it is missing, wrong or
// past. More than an hour counts as an hour.
func ParseRetryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(v); err == nil {
		d = time.Duration(min(max(n, 0), 3600)) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), time.Hour)
}
