package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const awkward = `pa$$ "w'ö<r>d/+\x`

func TestEveryFormOfASecretIsScrubbed(t *testing.T) {
	var s secret.Scrubber
	s.Know("shop", secret.New(awkward))
	inJSON, err := json.Marshal(awkward)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"raw":          awkward,
		"JSON":         string(inJSON),
		"%q":           fmt.Sprintf("%q", awkward),
		"%+q":          strconv.QuoteToASCII(awkward),
		"query":        url.Values{"p": {awkward}}.Encode(),
		"path":         url.PathEscape(awkward),
		"userinfo":     (&url.URL{Scheme: "https", User: url.UserPassword("bot", awkward), Host: "h"}).String(),
		"hex":          hex.EncodeToString([]byte(awkward)),
		"shell":        `'` + strings.ReplaceAll(awkward, `'`, `'\''`) + `'`,
		"double quote": strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(awkward),
		"backslashes":  `pa\$\$\ \"w\'ö\<r\>d/+\\x`,
	}
	for i := range 4 {
		prefix := strings.Repeat("u", i) + ":"
		forms[fmt.Sprint("base64 at ", i)] = base64.StdEncoding.EncodeToString([]byte(prefix + awkward + "tail"))
		forms[fmt.Sprint("base64url at ", i)] = base64.RawURLEncoding.EncodeToString([]byte(prefix + awkward))
	}
	for name, form := range forms {
		if got := s.Scrub("before " + form + " after"); !strings.Contains(got, secret.Redacted) || len(got) > len("before  after")+len(secret.Redacted)+16 {
			t.Errorf("%s: %q became %q", name, form, got)
		}
	}
}

func TestTheLinesOfAKeyAreScrubbedOneByOne(t *testing.T) {
	var s secret.Scrubber
	s.Know("shop", secret.New("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n"))
	if got := s.Scrub("  MIIEvQIBADANBg"); got != "  "+secret.Redacted {
		t.Errorf("got %q", got)
	}
}

func TestOnlyWhatIsKnownNowIsScrubbed(t *testing.T) {
	var s secret.Scrubber
	if got := s.Scrub("hunter22"); got != "hunter22" {
		t.Errorf("an empty scrubber made %q", got)
	}
	s.Know("shop", secret.New("hunter22"), secret.New("true"), secret.Value{})
	s.Know("blog", secret.New("hunter22-longer"))
	for text, want := range map[string]string{
		"x=hunter22;": "x=[redacted];", "hunter22-longer": "[redacted]", "true": "true",
	} {
		if got := s.Scrub(text); got != want {
			t.Errorf("%q became %q; want %q", text, got, want)
		}
	}
	s.Know("shop", secret.New("rotated-1"))
	if got := s.Scrub("hunter22 rotated-1"); got != "hunter22 [redacted]" {
		t.Errorf("after a rotation: %q", got)
	}
}
