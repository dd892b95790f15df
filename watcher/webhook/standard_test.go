package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

// The example of the Standard Webhooks libraries, whose form GitLab's is.
const (
	exampleKey  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	exampleBody = `{"test": 2432232314}`
	exampleID   = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	exampleTime = 1614265330
	exampleSign = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// at sleeps, in virtual time, until a moment of the year 2021.
func at(unix int64) { time.Sleep(time.Until(time.Unix(unix, 0))) }

func signing(p webhook.Provider, key string) webhook.Source {
	s := source(p)
	s.Secrets = []secret.Value{secret.New(key)}
	return s
}

func TestGitLabsSigningTokenIsCheckedAsStandardWebhooksSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at(exampleTime)
		h, l, _ := serve(t, signing(webhook.GitLab, exampleKey))
		call := func(id, when, signature, body string) int {
			return post(h, "shop-hook", body, "webhook-id", id, "webhook-timestamp", when, "webhook-signature", signature).Code
		}
		now := strconv.Itoa(exampleTime)
		if code := call(exampleID, now, exampleSign, exampleBody); code != http.StatusAccepted || len(l.causes) != 1 {
			t.Fatalf("the documented example: %d, %d looks", code, len(l.causes))
		}
		if code := call(exampleID, now, "v1a,AAAA v1,AAAA "+exampleSign, exampleBody); code != http.StatusAccepted {
			t.Errorf("one of several signatures: %d", code)
		}
		for name, c := range map[string][4]string{
			"another id":        {"msg_x", now, exampleSign, exampleBody},
			"another time":      {exampleID, strconv.Itoa(exampleTime + 1), exampleSign, exampleBody},
			"another body":      {exampleID, now, exampleSign, exampleBody + " "},
			"another version":   {exampleID, now, strings.Replace(exampleSign, "v1,", "v2,", 1), exampleBody},
			"no version":        {exampleID, now, exampleSign[3:], exampleBody},
			"no signature":      {exampleID, now, "", exampleBody},
			"no id":             {"", now, exampleSign, exampleBody},
			"no time":           {exampleID, "", exampleSign, exampleBody},
			"a time that is no": {exampleID, "soon", exampleSign, exampleBody},
		} {
			if code := call(c[0], c[1], c[2], c[3]); code != http.StatusUnauthorized {
				t.Errorf("%s: %d", name, code)
			}
		}
		if code := post(h, "shop-hook", exampleBody, "X-Gitlab-Token", exampleKey).Code; code != http.StatusUnauthorized {
			t.Errorf("the signing token itself, sent in the clear: %d", code)
		}
		time.Sleep(5*time.Minute + time.Second)
		if code := call(exampleID, now, exampleSign, exampleBody); code != http.StatusUnauthorized {
			t.Errorf("the same call five minutes later: %d", code)
		}
	})
}

func TestASigningTokenThatIsNoBase64IsGoodForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at(exampleTime)
		for _, key := range []string{"whsec_", "whsec_!!", "whsec_A"} {
			h, _, _ := serve(t, signing(webhook.GitLab, key))
			m := hmac.New(sha256.New, nil)
			m.Write([]byte("a." + strconv.Itoa(exampleTime) + "."))
			signature := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
			if w := post(h, "shop-hook", "", "webhook-id", "a", "webhook-timestamp", strconv.Itoa(exampleTime), "webhook-signature", signature); w.Code != http.StatusUnauthorized {
				t.Errorf("%s: %d", key, w.Code)
			}
		}
	})
}

func TestBitbucketsOwnExampleIsAuthentic(t *testing.T) {
	// support.atlassian.com, "Manage webhooks", "Test your validation".
	h, l, _ := serve(t, signing(webhook.Bitbucket, "It's a Secret to Everybody"))
	const signature = "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
	if w := post(h, "shop-hook", "Hello World!", "X-Hub-Signature", signature, "X-Event-Key", "repo:push"); w.Code != http.StatusAccepted || len(l.causes) != 1 {
		t.Errorf("%d %s, looks %v", w.Code, w.Body, l.causes)
	}
	if w := post(h, "shop-hook", "Hello World!", "X-Hub-Signature", signature, "X-Event-Key", "diagnostics:ping"); w.Code != http.StatusAccepted || len(l.causes) != 1 {
		t.Errorf("a ping: %d, looks %v", w.Code, l.causes)
	}
}
