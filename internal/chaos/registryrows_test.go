package chaos_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"

	"github.com/fairlead-deploy/fairlead/release"
)

func registryRows() []row {
	const waits = "it is told and waited for, quietly; nothing is quarantined, and it goes live by itself"
	return []row{
		{id: "F23", fault: "the registry refuses the login (401)", then: waits, do: registryFault(answering(http.StatusUnauthorized, nil))},
		{id: "F24", fault: "the registry limits (429, Retry-After)", then: waits, quick: true, do: registryFault(answering(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}}))},
		{id: "F24", fault: "the registry answers 503", then: waits, do: registryFault(answering(http.StatusServiceUnavailable, nil))},
		{id: "F24", fault: "the registry resets connections", then: waits, do: registryFault(reset)},
		{id: "F24", fault: "the registry answers 500 for layers only", then: waits, do: registryFault(forBlobs(answering(http.StatusInternalServerError, nil)))},
		{id: "F25", fault: "the registry stalls in a layer", then: "the pull is given up when it makes no progress, told and waited for", do: registryFault(forBlobs(stall))},
		{id: "F26", fault: "a layer arrives truncated", then: "it is refused by its digest, told and waited for", do: registryFault(forBlobs(truncated))},
		{id: "F26", fault: "a layer arrives with another content", then: "it is refused by its digest, told and waited for", do: registryFault(forBlobs(another))},
		{id: "F27", fault: "the tag moves between two hosts", then: "all hosts run the digest that was resolved first", do: tagMoves},
		{id: "F28", fault: "the image of the last good version is gone from the hosts", then: "rollback brings it back", do: imageGone},
	}
}

// registryFault deploys v2 while the registry has a fault, and wants it to wait
// until that ends.
func registryFault(bad fault) func(*scene) {
	return func(s *scene) {
		s.fromFaultyRegistry()
		s.live()
		s.image("v2", nil)
		shared.registry.misbehave(s.Lane, bad)
		s.Cleanup(func() { shared.registry.misbehave(s.Lane, nil) })
		old := s.Picture()
		sha := s.Push(s.file("v2"))
		s.Waits(sha)
		if now := s.Picture(); now != old {
			s.Errorf("it was\n%s\nand is\n%s", old, now)
		}
		shared.registry.misbehave(s.Lane, nil)
		s.Ends(sha, release.Succeeded)
		s.Serves("v2")
		s.EndedOnce(sha)
	}
}

// fromFaultyRegistry lets the service take its images from there.
func (s *scene) fromFaultyRegistry() {
	s.registry = true
	s.Operator["registries"] = `{ "` + shared.registry.address + `": { ca: ` + shared.registry.ca + ` } }`
}

func answering(status int, header http.Header) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for key, values := range header {
			w.Header()[key] = values
		}
		w.WriteHeader(status)
	}
}

func reset(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// forBlobs has a fault for layers and configurations only.
func forBlobs(bad fault) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isBlob(r) {
			bad(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// stall sends half and then nothing until the other side has had enough.
func stall(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := httptest.NewRecorder()
	next.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func truncated(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := httptest.NewRecorder()
	next.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)/2))
	_, _ = w.Write(body[:len(body)/2])
}

func another(w http.ResponseWriter, r *http.Request, next http.Handler) {
	whole := httptest.NewRecorder()
	next.ServeHTTP(whole, r)
	body := whole.Body.Bytes()
	if len(body) > 0 {
		body[len(body)/2] ^= 1
	}
	_, _ = w.Write(body)
}

func tagMoves(s *scene) {
	s.fromFaultyRegistry()
	s.live()
	s.image("v2", nil)
	var asked atomic.Int64
	shared.registry.misbehave(s.Lane, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if isManifest(r) && asked.Add(1) == 1 {
			next.ServeHTTP(w, r)
			// From now on the tag is another image.
			if err := shared.registry.push(s.Context(), shared.App.Image("moved", nil), s.Lane+":v2"); err != nil {
				s.Error(err)
			}
			return
		}
		next.ServeHTTP(w, r)
	})
	s.Ends(s.Push(s.file("v2")), release.Succeeded)
	shared.registry.misbehave(s.Lane, nil)
	if asked.Load() == 0 {
		s.Error("nobody asked for the tag")
	}
	s.Serves("v2")
	if a, b := s.Containers(s.Hosts[0])[0].Image, s.Containers(s.Hosts[1])[0].Image; a != b {
		s.Errorf("the hosts run different images: %s and %s", a, b)
	}
}

func imageGone(s *scene) {
	s.live()
	s.Ends(s.push("v2", nil), release.Succeeded)
	s.Serves("v2")
	for _, h := range s.Hosts {
		_, err := h.Docker(s.Context(), "rm", "-f", s.Web("v1"))
		s.Do(err)
		_, err = h.Docker(s.Context(), "image", "prune", "-af")
		s.Do(err)
	}
	_, err := s.Command("rollback", s.Lane)
	s.Do(err)
	s.untilServes("v1")
	_, err = s.Command("resume", s.Lane)
	s.Do(err)
	s.untilServes("v2")
}
