package webhook_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/notifytest"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
)

func TestTheWebhookKeepsTheContract(t *testing.T) {
	notifytest.Run(t, notifytest.Subject{Open: func(t *testing.T, base string) notify.Notifier {
		w, err := webhook.New(webhook.Config{URL: secret.New(base + "/" + notifytest.Canary), Secret: secret.New(notifytest.Canary)})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}})
}

// The example of the Standard Webhooks specification's reference libraries:
// github.com/standard-webhooks/standard-webhooks, libraries/go/webhook_test.go.
const (
	specSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	specID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	specTime   = "1614265330"
	specBody   = `{"test": 2432232314}`
	specSigned = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func signed() http.Header {
	h := http.Header{}
	h.Set("webhook-id", specID)
	h.Set("webhook-timestamp", specTime)
	h.Set("webhook-signature", specSigned)
	return h
}

func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	at := time.Unix(1614265330, 0)
	key := secret.New(specSecret)
	if err := webhook.Verify(key, signed(), []byte(specBody), at); err != nil {
		t.Fatalf("the specification's example: %v", err)
	}
	rotated := signed()
	rotated.Set("webhook-signature", "v1,AAAA v2,BBBB "+specSigned)
	if err := webhook.Verify(key, rotated, []byte(specBody), at); err != nil {
		t.Errorf("several signatures: %v", err)
	}
	for name, check := range map[string]func() error{
		"another body": func() error { return webhook.Verify(key, signed(), []byte(specBody+" "), at) },
		"another key":  func() error { return webhook.Verify(secret.New("whsec_AAAA"), signed(), []byte(specBody), at) },
		"no key":       func() error { return webhook.Verify(secret.Value{}, signed(), []byte(specBody), at) },
		"too old": func() error {
			return webhook.Verify(key, signed(), []byte(specBody), at.Add(webhook.Tolerance+time.Second))
		},
		"too early": func() error {
			return webhook.Verify(key, signed(), []byte(specBody), at.Add(-webhook.Tolerance-time.Second))
		},
		"another id": func() error {
			h := signed()
			h.Set("webhook-id", "msg_other")
			return webhook.Verify(key, h, []byte(specBody), at)
		},
		"another time": func() error {
			h := signed()
			h.Set("webhook-timestamp", "1614265331")
			return webhook.Verify(key, h, []byte(specBody), at)
		},
		"no signature": func() error {
			h := signed()
			h.Del("webhook-signature")
			return webhook.Verify(key, h, []byte(specBody), at)
		},
	} {
		if err := check(); !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMessageSentAgainHasTheSameIDAndAFreshSignature(t *testing.T) {
	type sent struct {
		header http.Header
		body   []byte
	}
	var got []sent
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, sent{r.Header, body})
	}))
	defer server.Close()
	w, err := webhook.New(webhook.Config{URL: secret.New(server.URL), Secret: secret.New("key")})
	if err != nil {
		t.Fatal(err)
	}
	m := notify.Make(notifytest.Hostile())
	for range 2 {
		if err := w.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range got {
		if err := webhook.Verify(secret.New("key"), one.header, one.body, time.Now()); err != nil {
			t.Error(err)
		}
		if one.header.Get("webhook-id") != m.ID {
			t.Errorf("id %s", one.header.Get("webhook-id"))
		}
		if ct := one.header.Get("Content-Type"); ct != "application/cloudevents+json; charset=utf-8" {
			t.Errorf("content type %s", ct)
		}
		var event map[string]any
		if err := json.Unmarshal(one.body, &event); err != nil {
			t.Fatal(err)
		}
		for attribute, want := range map[string]string{"specversion": "1.0", "id": m.ID, "source": "/fairlead",
			"type": "io.github.fairlead-deploy.release.failed", "subject": "shop-production", "time": "2026-11-23T06:15:02Z"} {
			if event[attribute] != want {
				t.Errorf("%s = %v, want %s", attribute, event[attribute], want)
			}
		}
	}
}

func TestAWrongConfigurationIsRefusedWithoutShowingIt(t *testing.T) {
	for _, cfg := range []webhook.Config{
		{URL: secret.New("ftp://x/" + notifytest.Canary)},
		{URL: secret.New("https://")},
		{URL: secret.New(notifytest.Canary)},
		{URL: secret.New("https://x/%zz" + notifytest.Canary)},
		{URL: secret.New("https://x/"), Secret: secret.New("whsec_!" + notifytest.Canary)},
		{URL: secret.New("https://x/"), Secret: secret.New("whsec_")},
	} {
		_, err := webhook.New(cfg)
		if err == nil {
			t.Errorf("%q was taken", cfg.URL.Reveal())
		}
		notifytest.NoLeak(t, err)
	}
}
