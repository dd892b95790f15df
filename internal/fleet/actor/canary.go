package actor

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Canary is a secret that is easy to find wherever it leaks, and that each
// encoding changes.
func Canary() string { return NewSecret() + ` "a'$b\/+<é>&` }

// Leaks names the secrets that a text holds, each with how it is written there:
// "KEY in hex". It is what every suite asks of its logs, files and answers.
func Leaks(text []byte, secrets map[string]string) []string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		forms := Encodings(secrets[name])
		for _, how := range slices.Sorted(maps.Keys(forms)) {
			if slices.ContainsFunc(forms[how], func(form string) bool { return bytes.Contains(text, []byte(form)) }) {
				found = append(found, name+" in "+how)
			}
		}
	}
	return found
}

// Encodings are the eight ways in which programs write a secret, each in all the
// forms that it can have within a longer text.
func Encodings(plain string) map[string][]string {
	inJSON, _ := json.Marshal(plain) // a text always can
	return map[string][]string{
		"plain text":    {plain},
		"base64":        within(base64.RawStdEncoding, plain),
		"base64 of URL": within(base64.RawURLEncoding, plain),
		"hex":           {hex.EncodeToString([]byte(plain)), strings.ToUpper(hex.EncodeToString([]byte(plain)))},
		"a URL":         {url.QueryEscape(plain), url.PathEscape(plain)},
		"JSON":          {strings.Trim(string(inJSON), `"`), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain)},
		"a shell's quotes": {strings.ReplaceAll(plain, `'`, `'\''`), strings.ReplaceAll(plain, `'`, `'"'"'`),
			strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(plain)},
		"YAML": {strings.ReplaceAll(plain, `'`, `''`)},
	}
}

// within is base64 of the text at each place that it can have among the groups
// of three bytes, without the digits that its neighbours change.
func within(e *base64.Encoding, plain string) []string {
	var forms []string
	for shift := range 3 {
		text := e.EncodeToString([]byte("\x00\x00"[:shift] + plain))
		end := len(text)
		if (shift+len(plain))%3 != 0 {
			end--
		}
		forms = append(forms, text[[3]int{0, 2, 3}[shift]:end])
	}
	return forms
}
