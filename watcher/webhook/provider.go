package webhook

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Provider is a kind of sender.
type Provider string

// The providers and how each proves itself.
const (
	// GitHub: X-Hub-Signature-256, "sha256=" and the HMAC of the body in hex
	// (docs.github.com, "Validating webhook deliveries").
	GitHub Provider = "github"
	// GitLab: webhook-signature by a signing token (whsec_…), or X-Gitlab-Token,
	// the secret itself (docs.gitlab.com, "Webhooks").
	GitLab Provider = "gitlab"
	// Gitea and Forgejo: X-Gitea-Signature or X-Forgejo-Signature, the HMAC in bare
	// hex, or GitHub's header, which they send as well (docs.gitea.com,
	// "Webhooks").
	Gitea   Provider = "gitea"
	Forgejo Provider = "forgejo"
	// Gogs: X-Gogs-Signature, the HMAC in bare hex (gogs.io, "Webhooks").
	Gogs Provider = "gogs"
	// Bitbucket, Cloud and Data Center: X-Hub-Signature, in GitHub's form
	// (support.atlassian.com, "Manage webhooks").
	Bitbucket Provider = "bitbucket"
	// Generic is anything that can compute an HMAC: X-Fairlead-Signature, in
	// GitHub's form. PostReceive sends it.
	Generic Provider = "generic"
)

// check tells whether a body comes from one who has the key.
type check func(header http.Header, body []byte, key secret.Value) bool

func (p Provider) check() (check, error) {
	switch p {
	case GitHub:
		return signed("sha256=", "X-Hub-Signature-256"), nil
	case GitLab:
		return gitLab, nil
	case Gogs:
		return signed("", "X-Gogs-Signature"), nil
	case Bitbucket:
		return signed("sha256=", "X-Hub-Signature"), nil
	case Gitea, Forgejo:
		bare := signed("", "X-Forgejo-Signature", "X-Gitea-Signature")
		prefixed := signed("sha256=", "X-Hub-Signature-256")
		return func(h http.Header, body []byte, key secret.Value) bool {
			return bare(h, body, key) || prefixed(h, body, key)
		}, nil
	case Generic:
		return signed("sha256=", "X-Fairlead-Signature"), nil
	}
	return nil, fmt.Errorf("provider %q is not known; use github, gitlab, gitea, forgejo, gogs, bitbucket or generic", string(p))
}

// headers are those in which a sender proves itself.
func (p Provider) headers() []string {
	switch p {
	case GitHub:
		return []string{"X-Hub-Signature-256"}
	case GitLab:
		return []string{"Webhook-Signature", "X-Gitlab-Token"}
	case Gogs:
		return []string{"X-Gogs-Signature"}
	case Bitbucket:
		return []string{"X-Hub-Signature"}
	case Gitea, Forgejo:
		return []string{"X-Forgejo-Signature", "X-Gitea-Signature", "X-Hub-Signature-256"}
	}
	return []string{"X-Fairlead-Signature"}
}

// signed checks the HMAC-SHA256 of the body in the first header that is there.
func signed(prefix string, headers ...string) check {
	return func(h http.Header, body []byte, key secret.Value) bool {
		want := sum(body, key)
		for _, name := range headers {
			given, ok := strings.CutPrefix(only(h, name), prefix)
			if !ok || len(given) != 2*sha256.Size {
				continue
			}
			got, err := hex.DecodeString(given)
			return err == nil && hmac.Equal(got, want)
		}
		return false
	}
}

// only returns a header that was given once.
func only(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// hint is what an authentic call says; none of it is believed further than to
// spare a look.
type hint struct {
	ref      string // pushed, full name; empty: not said
	idle     bool   // nothing was pushed
	delivery string // the sender's id of the call, for people
}

func (p Provider) hint(h http.Header, body []byte) hint {
	var out hint
	event := ""
	switch p {
	case GitHub:
		event, out.delivery = h.Get("X-GitHub-Event"), h.Get("X-GitHub-Delivery")
		out.idle = event == "ping"
	case GitLab:
		event, out.delivery = h.Get("X-Gitlab-Event"), h.Get("X-Gitlab-Event-UUID")
	case Gitea, Forgejo:
		event, out.delivery = h.Get("X-Gitea-Event"), h.Get("X-Gitea-Delivery")
	case Gogs:
		event, out.delivery = h.Get("X-Gogs-Event"), h.Get("X-Gogs-Delivery")
	case Bitbucket: // its body tells of many refs; none of them is asked
		out.delivery = cmp.Or(h.Get("X-Request-UUID"), h.Get("X-Request-Id"))
		out.idle = h.Get("X-Event-Key") == "diagnostics:ping"
	case Generic:
		event = "push"
	}
	out.delivery = shown(out.delivery)
	if event == "push" || event == "Push Hook" {
		out.ref = refOf(body)
	}
	return out
}

// refOf returns the ref of a push, "" when the body has none: GitHub sends it
// as JSON or, when set up so, as a form around JSON.
func refOf(body []byte) string {
	var push struct {
		Ref string `json:"ref"`
	}
	if json.Unmarshal(body, &push) != nil {
		return ""
	}
	return push.Ref
}

// skips tells whether the push is to a branch other than the watched one.
func (h hint) skips(watched string) bool {
	if h.idle {
		return true
	}
	pushed, isBranch := strings.CutPrefix(h.ref, "refs/heads/")
	return isBranch && watched != "" && !strings.Contains(watched, "*") && !strings.HasPrefix(watched, "refs/") && pushed != watched
}

// shown is a foreign id as far as it is fit to be shown.
func shown(id string) string {
	if len(id) > 64 {
		id = id[:64]
	}
	return strings.Map(func(r rune) rune {
		if r == '-' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z' {
			return r
		}
		return -1
	}, id)
}
