package load_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

func TestWhatFailsAndWhatIsRepeatedIsCounted(t *testing.T) {
	var asked atomic.Int64
	enough := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n == 10:
			panic(http.ErrAbortHandler) // a kept connection is cut before the answer
		case n == 20:
			w.WriteHeader(http.StatusBadGateway)
		case n == 30:
			close(enough)
		}
	}))
	defer srv.Close()
	c := gather([]actor.Site{{Address: srv.URL}}, []kind{{name: "GET, kept connection", number: 1, pace: time.Millisecond}})
	<-enough
	c.leave()
	sent, failed, repeated := c.count()
	if failed != 1 || repeated != 1 || sent != int(asked.Load())-1 {
		t.Errorf("of %d asked, %d sent, %d failed, %d repeated; want one each", asked.Load(), sent, failed, repeated)
	}
}

func TestAPostIsNeverSentTwice(t *testing.T) {
	var asked atomic.Int64
	enough := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if asked.Add(1) == 10 {
			close(enough)
		}
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	c := gather([]actor.Site{{Address: srv.URL}}, []kind{{name: "POST, kept connection", post: true, number: 1}})
	<-enough
	c.leave()
	if sent, failed, repeated := c.count(); failed != sent || repeated != 0 || sent != int(asked.Load()) {
		t.Errorf("of %d asked, %d sent, %d failed, %d repeated", asked.Load(), sent, failed, repeated)
	}
}
