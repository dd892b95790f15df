package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// signingToken begins a key that signs, as Standard Webhooks has it.
const signingToken = "whsec_"

// freshness is how far a signed call's time may be from ours, as Standard
// Webhooks asks for; an older one is a replay.
const freshness = 5 * time.Minute

// gitLab checks the signature where the secret is a signing token, else the
// token that GitLab sends as it is. One never does for the other.
func gitLab(h http.Header, body []byte, key secret.Value) bool {
	if strings.HasPrefix(key.Reveal(), signingToken) {
		return standard(h, body, key)
	}
	given := only(h, "X-Gitlab-Token")
	return given != "" && secret.New(given).Equal(key)
}

// standard checks a call as Standard Webhooks says: the HMAC-SHA256 of
// ID.TIME.BODY in Base64, one or more, each after its version.
func standard(h http.Header, body []byte, key secret.Value) bool {
	encoded := strings.TrimPrefix(key.Reveal(), signingToken)
	plain, err := base64.StdEncoding.DecodeString(encoded)
	id, at, given := only(h, "Webhook-Id"), only(h, "Webhook-Timestamp"), only(h, "Webhook-Signature")
	if err != nil || len(plain) == 0 || id == "" || at == "" {
		return false
	}
	m := hmac.New(sha256.New, plain)
	m.Write([]byte(id + "." + at + "."))
	m.Write(body)
	want := m.Sum(nil)
	good := false
	for one := range strings.FieldsSeq(given) {
		version, text, _ := strings.Cut(one, ",")
		got, err := base64.StdEncoding.Strict().DecodeString(text)
		good = version == "v1" && err == nil && hmac.Equal(got, want) || good
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return false
	}
	return good && time.Since(time.Unix(seconds, 0)).Abs() <= freshness
}
