package secret

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// minScrub is the length in bytes from which a value is replaced in text.
// Shorter ones ("true", "5432") are words that text needs.
const minScrub = 6

// Scrubber replaces known secret values in text. It is the second net: the
// first is that a Value does not print. It is safe for concurrent use; its
// zero value knows nothing.
type Scrubber struct {
	mu       sync.Mutex
	known    map[string][]Value
	replacer atomic.Pointer[strings.Replacer]
}

// Know sets the values that belong to owner, such as a repository's name, in
// place of those it had.
func (s *Scrubber) Know(owner string, values ...Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[string][]Value)
	}
	s.known[owner] = slices.Clone(values)
	seen := make(map[string]bool)
	for _, owned := range s.known {
		for _, v := range owned {
			addForms(seen, v.Reveal())
		}
	}
	forms := make([]string, 0, len(seen))
	for form := range seen {
		forms = append(forms, form)
	}
	// Where two begin at one place the replacer takes the first: the longest.
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range forms {
		pairs = append(pairs, form, Redacted)
	}
	s.replacer.Store(strings.NewReplacer(pairs...))
}

// Scrub returns text with every known value replaced by Redacted, as itself
// and in the forms that programs write it: base64, hex, URL, JSON, Go and
// shell quoting, and each longer line of a value of several lines.
func (s *Scrubber) Scrub(text string) string {
	r := s.replacer.Load()
	if r == nil {
		return text
	}
	return r.Replace(text)
}

// addForms adds the forms a value can take in text.
func addForms(forms map[string]bool, plain string) {
	if len(plain) < minScrub {
		return
	}
	add := func(form string) {
		if len(form) >= minScrub {
			forms[form] = true
		}
	}
	for form := range quotedForms(plain) {
		add(form)
	}
	for _, line := range strings.Split(plain, "\n") {
		if line = strings.TrimSpace(line); line != plain {
			add(line)
		}
	}
	add(hex.EncodeToString([]byte(plain)))
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for _, form := range insideBase64(encoding, plain) {
			add(form)
		}
	}
}

// quotedForms are the value as text, escaped by what usually prints it.
func quotedForms(plain string) map[string]bool {
	forms := map[string]bool{
		plain:                                   true,
		url.QueryEscape(plain):                  true,
		url.PathEscape(plain):                   true,
		strings.ReplaceAll(plain, `'`, `'\''`):  true,
		strings.ReplaceAll(plain, `'`, `'"'"'`): true,
		strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(plain): true,
		backslashed(plain): true,
	}
	forms[url.UserPassword("", plain).String()[1:]] = true
	for _, quoted := range []string{jsonString(plain, true), jsonString(plain, false), strconv.Quote(plain), strconv.QuoteToASCII(plain)} {
		forms[quoted[1:len(quoted)-1]] = true
	}
	return forms
}

// jsonString encodes with or without the escapes that make JSON safe in HTML.
func jsonString(plain string, html bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	_ = enc.Encode(plain) // a string into memory cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

// backslashed is what Ruby's Shellwords and bash's printf %q write.
func backslashed(plain string) string {
	var b strings.Builder
	for _, r := range plain {
		if r < 0x80 && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:+/@%=", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// insideBase64 gives what the value looks like within longer encoded text
// ("user:password" of HTTP basic auth): one form for each of the three ways
// it can fall on the groups of three bytes, without the digits that depend on
// its neighbours.
func insideBase64(encoding *base64.Encoding, plain string) [3]string {
	var forms [3]string
	for shift := range forms {
		text := encoding.EncodeToString([]byte("\x00\x00"[:shift] + plain))
		end := len(text)
		if (shift+len(plain))%3 != 0 {
			end--
		}
		forms[shift] = text[[3]int{0, 2, 3}[shift]:end]
	}
	return forms
}
