package webhook_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

func TestRefusedCallsAreCountedBySourceAndReasonAndNothingOfThemIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _, counts := serve(t, source(webhook.GitHub))
		post(h, "shop-hook", "secret-body")
		time.Sleep(90 * time.Minute) // what is longer ago is not of the last hour
		for range 11 {
			post(h, "shop-hook", "secret-body")
		}
		post(h, "shop-hook", "secret-body", "X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
		for i := range 1000 {
			post(h, fmt.Sprintf("guess-%d", i), "")
		}
		list := counts.Refusals().List()
		if len(list) != 2 {
			t.Fatalf("%d sources are kept: %+v", len(list), list)
		}
		if nobody := list[0]; nobody.Source != "" || nobody.LastHour != 1000 || nobody.Reason != webhook.UnknownSource {
			t.Errorf("of names that nobody has: %+v", nobody)
		}
		shop := list[1]
		if shop.Source != "shop-hook" || shop.LastHour != 12 || shop.Reason != webhook.WrongSignature || shop.Total[webhook.NoSignature] != 12 || shop.Total[webhook.WrongSignature] != 1 {
			t.Errorf("of the shop: %+v", shop)
		}
		if text := fmt.Sprintf("%+v", list); strings.Contains(text, "secret-body") || strings.Contains(text, "guess") {
			t.Errorf("kept is %s", text)
		}
		time.Sleep(2 * time.Hour)
		if n := counts.Refusals().List()[1].LastHour; n != 0 {
			t.Errorf("two hours later it is %d in the last hour", n)
		}
	})
}
