// Package secret holds what must not be printed: a Value refuses every way Go
// knows to turn it into text, and a Source looks values up by name.
//
// Lives here: the Value type, dotenv files, the daemon's environment and the
// operator's secret files. May not live here: anything that sends a secret
// somewhere; whoever needs the plain text says Reveal, so that `grep Reveal`
// lists every place a secret can leave.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a Value shows instead of its content.
const Redacted = "[redacted]"

// Value is a secret text. Its zero value is the empty secret. It prints,
// logs and marshals as Redacted; only Reveal returns the content. Compare with
// Equal, never with ==.
//
// The content is behind a pointer because fmt looks into unexported fields
// without asking their methods: a struct that holds a Value privately would
// otherwise print it.
type Value struct{ plain *string }

// New wraps a plain text.
func New(plain string) Value { return Value{plain: &plain} }

// Reveal returns the content. The caller sees to it that it goes only where
// the secret is meant to go.
func (v Value) Reveal() string {
	if v.plain == nil {
		return ""
	}
	return *v.plain
}

// IsZero tells whether the secret is empty.
func (v Value) IsZero() bool { return v.Reveal() == "" }

// Equal compares two secrets in a time that depends on their lengths only.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(w.Reveal())) == 1
}

// String returns Redacted.
func (Value) String() string { return Redacted }

// GoString returns Redacted, for %#v.
func (Value) GoString() string { return Redacted }

// Format writes Redacted for every verb and flag.
func (Value) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, Redacted) }

// LogValue returns Redacted, for log/slog.
func (Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText returns Redacted, for encoding/json, yaml and the like.
func (Value) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
