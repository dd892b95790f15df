package actor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTrafficCountsWhatFails(t *testing.T) {
	var asked, bad atomic.Int64
	enough := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if n == 30 {
			close(enough)
		}
		switch {
		case n == 2:
			bad.Add(1)
			w.WriteHeader(http.StatusBadGateway)
		case n == 5:
			bad.Add(1)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		case r.Method == http.MethodPost && n > 10 && n < 20:
			bad.Add(1)
			panic(http.ErrAbortHandler) // the connection ends without an answer
		case r.Method == http.MethodPost:
			_, _ = w.Write([]byte("are you still there?"))
		}
	}))
	defer srv.Close()
	tr := StartTraffic([]Site{{Address: srv.URL, Host: "shop.example.com"}})
	<-enough
	tr.Stop()
	seen := tr.Count()
	if seen.Failed != int(bad.Load()) || seen.Sent != int(asked.Load()) {
		t.Errorf("%s, of %d asked %d went wrong", seen, asked.Load(), bad.Load())
	}
	if seen.First == nil || !strings.Contains(seen.First.Error(), "502") {
		t.Errorf("the first failure is %v", seen.First)
	}
}

func TestAPostWithoutItsOwnWordsInTheAnswerFails(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hm")) }))
	defer srv.Close()
	if err := post(t.Context(), keptClient(), Site{Address: srv.URL}); err == nil {
		t.Error("no error")
	}
}
