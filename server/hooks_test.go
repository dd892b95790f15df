package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The webhook handler finds the source of a call in the path's value.
func TestAWebhookIsToldWhoseItIs(t *testing.T) {
	s := reader(openStore(t))
	var source string
	s.o.Hooks = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { source = r.PathValue("source") })
	s.Public().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/shop", nil))
	if source != "shop" {
		t.Errorf("the source is %q", source)
	}
}
