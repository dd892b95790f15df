package chaos_test

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

func messageRows() []row {
	return []row{
		{id: "F51", fault: "the receiver of messages refuses connections", then: "no rollout waits; all is delivered in its order when it is back", quick: true, do: messagesDisturbed("refusing")},
		{id: "F51", fault: "the receiver of messages never answers", then: "no rollout waits; all is delivered in its order when it is back", do: messagesDisturbed("mute")},
		{id: "F51", fault: "the receiver takes a message and its reply is lost", then: "it is sent again; nothing is lost", do: repliesLost},
		{id: "F50", fault: "the receiver limits (429, Retry-After)", then: "it is left alone for that long; nothing is lost", do: messagesLimited},
	}
}

// messagesDisturbed rolls out twice while nobody hears of it.
func messagesDisturbed(state string) func(*scene) {
	return func(s *scene) {
		l := draw(s, strings.TrimSuffix(strings.TrimPrefix(s.Inbox.URL, "http://"), "/hook"))
		s.Operator["notify"] = strings.Replace(s.Operator["notify"], s.Inbox.URL, "http://"+l.address+"/hook", 1)
		s.live()
		l.disturb(state)
		second := s.push("v2", nil)
		s.untilServes("v2")
		third := s.push("v3", nil)
		s.untilServes("v3")
		l.disturb("")
		s.Ends(second, release.Succeeded)
		s.Ends(third, release.Succeeded)
		s.inOrder()
	}
}

// inOrder fails the test when a message overtook another.
func (s *scene) inOrder() {
	s.Helper()
	var last int64
	for _, ev := range s.Inbox.Events() {
		if ev.Seq < last {
			s.Errorf("event %d came after %d", ev.Seq, last)
		}
		last = max(last, ev.Seq)
	}
}

// behind puts a receiver before the inbox.
func (s *scene) behind(handler http.HandlerFunc) {
	s.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.Do(err)
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(l) }() // ends with Close
	s.Cleanup(func() { _ = srv.Close() })
	s.Operator["notify"] = strings.Replace(s.Operator["notify"], s.Inbox.URL, "http://"+l.Addr().String()+"/hook", 1)
}

func messagesLimited(s *scene) {
	var asked atomic.Int64
	s.behind(func(w http.ResponseWriter, r *http.Request) {
		if n := asked.Add(1); n%3 == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		s.Inbox.ServeHTTP(w, r)
	})
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
	s.inOrder()
}

func repliesLost(s *scene) {
	var asked atomic.Int64
	s.behind(func(w http.ResponseWriter, r *http.Request) {
		s.Inbox.ServeHTTP(w, r)
		if asked.Add(1) == 3 {
			panic(http.ErrAbortHandler)
		}
	})
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
}
