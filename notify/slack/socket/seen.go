package socket

import "sync"

// seenMost is how many envelopes are remembered: more than Slack can have on
// its way to us, with all its redeliveries.
const seenMost = 1024

// seen remembers the last envelopes, so that one that comes twice, on one
// connection or on two, is acted on once.
type seen struct {
	mu    sync.Mutex
	known map[string]bool
	order []string // a ring, once it is full
	next  int
}

// once does something for an envelope that is new, and remembers it where that
// was done. It tells whether the envelope was ever dealt with. do must not
// block.
func (s *seen) once(id string, do func() bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[id] {
		return true
	}
	if !do() {
		return false
	}
	if s.known == nil {
		s.known = map[string]bool{}
	}
	if len(s.order) < seenMost {
		s.order = append(s.order, id)
	} else {
		delete(s.known, s.order[s.next])
		s.order[s.next] = id
		s.next = (s.next + 1) % seenMost
	}
	s.known[id] = true
	return true
}
