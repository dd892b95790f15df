package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

const key = "It's a Secret to Everybody"

// looks is what a handler asked for.
type looks struct{ causes []release.Cause }

func serve(t testing.TB, sources ...webhook.Source) (http.Handler, *looks, *webhook.Handler) {
	t.Helper()
	var l looks
	h, err := webhook.New(sources, func(repo string, c release.Cause) {
		if repo != "shop" {
			t.Errorf("asked for %q", repo)
		}
		l.causes = append(l.causes, c)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/{source}", h)
	return mux, &l, h
}

// refusals is how many calls a handler refused.
func refusals(h *webhook.Handler) (n int64) {
	for _, r := range h.Refusals().List() {
		for _, of := range r.Total {
			n += of
		}
	}
	return n
}

func source(p webhook.Provider, secrets ...string) webhook.Source {
	s := webhook.Source{Name: "shop-hook", Provider: p, Repo: "shop", Branch: "main"}
	if len(secrets) == 0 {
		secrets = []string{key}
	}
	for _, v := range secrets {
		s.Secrets = append(s.Secrets, secret.New(v))
	}
	return s
}

func mac(key, body string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func post(h http.Handler, name, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+name, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGitHubsOwnExampleIsAuthentic(t *testing.T) {
	// docs.github.com, "Validating webhook deliveries", "Testing the webhook payload validation".
	h, l, _ := serve(t, source(webhook.GitHub))
	const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if w := post(h, "shop-hook", "Hello, World!", "X-Hub-Signature-256", signature); w.Code != 202 || len(l.causes) != 1 {
		t.Errorf("%d %s, looks %v", w.Code, w.Body, l.causes)
	}
}

func TestEachProviderIsKnownByItsHeader(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	for _, c := range []struct {
		provider      webhook.Provider
		header, value string
	}{
		{webhook.GitHub, "X-Hub-Signature-256", "sha256=" + mac(key, body)},
		{webhook.GitLab, "X-Gitlab-Token", key},
		{webhook.Gitea, "X-Gitea-Signature", mac(key, body)},
		{webhook.Gitea, "X-Hub-Signature-256", "sha256=" + mac(key, body)},
		{webhook.Forgejo, "X-Forgejo-Signature", mac(key, body)},
		{webhook.Gogs, "X-Gogs-Signature", mac(key, body)},
		{webhook.Bitbucket, "X-Hub-Signature", "sha256=" + mac(key, body)},
		{webhook.Generic, "X-Fairlead-Signature", "sha256=" + mac(key, body)},
	} {
		t.Run(string(c.provider)+" "+c.header, func(t *testing.T) {
			h, l, counts := serve(t, source(c.provider))
			if w := post(h, "shop-hook", body, c.header, c.value); w.Code != http.StatusAccepted {
				t.Fatalf("authentic call: %d %s", w.Code, w.Body)
			}
			if len(l.causes) != 1 || l.causes[0].Kind != release.CauseWebhook {
				t.Fatalf("looks = %v", l.causes)
			}
			forged := map[string][]string{
				"missing":   nil,
				"empty":     {c.header, ""},
				"truncated": {c.header, c.value[:len(c.value)-1]},
				"longer":    {c.header, c.value + "0"},
				"twice":     {c.header, c.value, c.header, c.value},
				"SHA-1":     {"X-Hub-Signature", "sha1=" + strings.Repeat("0", 40)},
				"elsewhere": {"X-Signature", c.value},
			}
			for i := range c.value {
				changed := []byte(c.value)
				changed[i] ^= 1
				forged["changed "+string(rune('a'+i%26))+string(rune('a'+i/26))] = []string{c.header, string(changed)}
			}
			for name, headers := range forged {
				if w := post(h, "shop-hook", body, headers...); w.Code != http.StatusUnauthorized {
					t.Errorf("%s: %d", name, w.Code)
				}
			}
			if len(l.causes) != 1 || refusals(counts) != int64(len(forged)) {
				t.Errorf("%d looks, %d refused of %d", len(l.causes), refusals(counts), len(forged))
			}
		})
	}
}

func TestEveryBitOfTheBodyIsSigned(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	h, l, _ := serve(t, source(webhook.GitHub))
	for bit := range len(body) * 8 {
		changed := []byte(body)
		changed[bit/8] ^= 1 << (bit % 8)
		if w := post(h, "shop-hook", string(changed), "X-Hub-Signature-256", "sha256="+mac(key, body)); w.Code != 401 {
			t.Errorf("bit %d flipped: %d", bit, w.Code)
		}
	}
	if len(l.causes) != 0 {
		t.Errorf("looks = %v", l.causes)
	}
}

func TestEveryBitOfASignatureCounts(t *testing.T) {
	const body = `{"ref":"refs/heads/main"}`
	h, l, _ := serve(t, source(webhook.GitHub))
	good := mac(key, body)
	weak := hmac.New(sha1.New, []byte(key))
	weak.Write([]byte(body))
	bad := map[string]string{"none": "", "only its beginning": "sha256=" + good[:8], "half": "sha256=" + good[:32], "without its prefix": good, "twice": "sha256=" + good + good,
		"of another key": "sha256=" + mac("other", body), "SHA-1": "sha1=" + hex.EncodeToString(weak.Sum(nil)), "zeros": "sha256=" + strings.Repeat("0", 64)}
	for bit := range sha256.Size * 8 {
		changed, err := hex.DecodeString(good)
		if err != nil {
			t.Fatal(err)
		}
		changed[bit/8] ^= 1 << (bit % 8)
		bad[fmt.Sprint("bit ", bit)] = "sha256=" + hex.EncodeToString(changed)
	}
	for name, signature := range bad {
		for _, header := range []string{"X-Hub-Signature-256", "X-Hub-Signature"} {
			if w := post(h, "shop-hook", body, header, signature); w.Code != 401 {
				t.Errorf("%s in %s: %d", name, header, w.Code)
			}
		}
	}
	if len(l.causes) != 0 {
		t.Errorf("looks = %v", l.causes)
	}
	if w := post(h, "shop-hook", body, "X-Hub-Signature-256", "sha256="+good); w.Code != 202 {
		t.Errorf("the right one: %d", w.Code)
	}
}

func TestAnUnknownSourceAnswersLikeAWrongSignature(t *testing.T) {
	h, _, _ := serve(t, source(webhook.GitHub))
	wrong := post(h, "shop-hook", "x", "X-Hub-Signature-256", "sha256="+mac("other", "x"))
	unknown := post(h, "nobody", "x", "X-Hub-Signature-256", "sha256="+mac("", "x"))
	if wrong.Code != unknown.Code || wrong.Body.String() != unknown.Body.String() || !sameHeaders(wrong, unknown) {
		t.Errorf("wrong: %d %q %v; unknown: %d %q %v", wrong.Code, wrong.Body, wrong.Header(), unknown.Code, unknown.Body, unknown.Header())
	}
}

func sameHeaders(a, b *httptest.ResponseRecorder) bool {
	var x, y bytes.Buffer
	_ = a.Header().Write(&x)
	_ = b.Header().Write(&y)
	return x.String() == y.String()
}

func TestBothSecretsAreGoodWhileOneIsBeingChanged(t *testing.T) {
	h, l, _ := serve(t, source(webhook.GitLab, "old", "new"))
	for token, want := range map[string]int{"old": 202, "new": 202, "older": 401} {
		if w := post(h, "shop-hook", "{}", "X-Gitlab-Token", token); w.Code != want {
			t.Errorf("%s: %d, want %d", token, w.Code, want)
		}
	}
	if len(l.causes) != 2 {
		t.Errorf("looks = %v", l.causes)
	}
}

func TestThePayloadIsOnlyAHint(t *testing.T) {
	for name, c := range map[string]struct {
		event, body, branch string
		looks               int
	}{
		"the watched branch":          {"push", `{"ref":"refs/heads/main"}`, "main", 1},
		"another branch":              {"push", `{"ref":"refs/heads/topic"}`, "main", 0},
		"a branch with a like name":   {"push", `{"ref":"refs/heads/main/x"}`, "main", 0},
		"a tag":                       {"push", `{"ref":"refs/tags/v1"}`, "main", 1},
		"another branch, tag pattern": {"push", `{"ref":"refs/heads/topic"}`, "v*", 1},
		"the default branch":          {"push", `{"ref":"refs/heads/topic"}`, "", 1},
		"no JSON":                     {"push", `payload=%7B%7D`, "main", 1},
		"ref is a number":             {"push", `{"ref":7}`, "main", 1},
		"ref is a list":               {"push", `{"ref":["refs/heads/topic"]}`, "main", 1},
		"a list":                      {"push", `[]`, "main", 1},
		"null":                        {"push", `null`, "main", 1},
		"nothing":                     {"push", ``, "main", 1},
		"another event":               {"package", `{"ref":"refs/heads/topic"}`, "main", 1},
		"a ping":                      {"ping", `{"zen":"Keep it logically awesome."}`, "main", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(webhook.GitHub)
			s.Branch = c.branch
			h, l, _ := serve(t, s)
			w := post(h, "shop-hook", c.body, "X-Hub-Signature-256", "sha256="+mac(key, c.body),
				"X-GitHub-Event", c.event, "X-GitHub-Delivery", "72d3162e-cc78-11e3\x1b[31m\n")
			if w.Code != http.StatusAccepted || len(l.causes) != c.looks {
				t.Errorf("%d, %d looks, want %d", w.Code, len(l.causes), c.looks)
			}
			for _, cause := range l.causes {
				if cause.Detail != "72d3162e-cc78-11e331m" {
					t.Errorf("detail = %q", cause.Detail)
				}
			}
		})
	}
}

func TestOddRequestsAreTurnedAway(t *testing.T) {
	h, l, _ := serve(t, source(webhook.GitHub))
	big := strings.Repeat("x", webhook.MaxBody+1)
	if w := post(h, "shop-hook", big, "X-Hub-Signature-256", "sha256="+mac(key, big)); w.Code != 413 {
		t.Errorf("too long: %d", w.Code)
	}
	if w := post(h, "shop-hook", "x", "Content-Encoding", "gzip", "X-Hub-Signature-256", "sha256="+mac(key, "x")); w.Code != 415 {
		t.Errorf("gzip: %d", w.Code)
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/hooks/shop-hook", nil))
		if w.Code != 405 || w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	if len(l.causes) != 0 {
		t.Errorf("looks = %v", l.causes)
	}
	most := strings.Repeat("x", webhook.MaxBody)
	if w := post(h, "shop-hook", most, "X-Hub-Signature-256", "sha256="+mac(key, most)); w.Code != 202 {
		t.Errorf("exactly the most: %d", w.Code)
	}
}

func TestASourceWithoutASecretIsNeverMade(t *testing.T) {
	for says, s := range map[string]webhook.Source{
		"secret is empty":  source(webhook.GitHub, ""),
		"its secret is":    source(webhook.GitHub, "good", ""),
		"needs one secret": {Name: "a", Repo: "shop", Provider: webhook.GitHub},
		"two while":        source(webhook.GitHub, "a", "b", "c"),
		"is not known":     source("sourcehut"),
		"needs a name":     {Provider: webhook.GitHub, Secrets: []secret.Value{secret.New("x")}},
	} {
		if _, err := webhook.New([]webhook.Source{s}, nil, nil); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error = %v, want %q", err, says)
		}
	}
}

func FuzzAuthenticCallsOfAnyContentAskForALookOrNone(f *testing.F) {
	for _, body := range []string{"", "{}", `{"ref":"refs/heads/main"}`, `{"ref":{}}`, "[[[[", "payload=%7B", "\x00\xff"} {
		f.Add(body, "push", "id")
	}
	f.Fuzz(func(t *testing.T, body, event, delivery string) {
		for _, p := range []webhook.Provider{webhook.GitHub, webhook.GitLab, webhook.Gitea, webhook.Forgejo, webhook.Generic} {
			h, l, _ := serve(t, source(p))
			r := httptest.NewRequest(http.MethodPost, "/hooks/shop-hook", strings.NewReader(body))
			r.Header = http.Header{
				"X-Hub-Signature-256": {"sha256=" + mac(key, body)}, "X-Gitlab-Token": {key}, "X-Fairlead-Signature": {"sha256=" + mac(key, body)},
				"X-Github-Event": {event}, "X-Gitlab-Event": {event}, "X-Gitea-Event": {event}, "X-Github-Delivery": {delivery},
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if len(body) <= webhook.MaxBody && (w.Code != http.StatusAccepted || len(l.causes) > 1) {
				t.Errorf("%s: %d, %d looks", p, w.Code, len(l.causes))
			}
		}
	})
}
