package docker

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/moby/api/types/registry"
)

// PlainText makes foreign output safe to show: valid UTF-8, no control
// characters but newline and tab, no terminal escapes, at most limit bytes.
func PlainText(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	var b strings.Builder
	for len(s) > 0 {
		if n := escapeLength(s); n > 0 {
			s = s[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		if r == '\n' || r == '\t' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// escapeLength is the length of an ANSI control sequence (ECMA-48, 5.4) at the
// start of s: ESC [ parameters and one final byte in @ to ~.
func escapeLength(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= '@' && s[i] <= '~' {
			return i + 1
		}
		if s[i] < ' ' || s[i] > '?' {
			break
		}
	}
	return 0
}

func envMap(pairs []string) map[string]string {
	env := make(map[string]string, len(pairs))
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		env[name] = value
	}
	return env
}

func encodeAuth(a registry.AuthConfig) (string, error) {
	b, err := json.Marshal(a)
	return base64.URLEncoding.EncodeToString(b), err
}
