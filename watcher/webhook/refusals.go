package webhook

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reason is why a call was refused.
type Reason string

// The reasons.
const (
	NotPOST        Reason = "not a POST"
	Compressed     Reason = "compressed body"
	TooLong        Reason = "body of more than 1 MiB"
	CutOff         Reason = "body that ended early"
	NoSignature    Reason = "no signature"
	WrongSignature Reason = "wrong signature"
	UnknownSource  Reason = "unknown name in the path"
)

// Refusals counts refused calls by source and reason. Nothing of a call is
// kept; calls for names that nobody has are counted together, under "". It may
// outlive a Handler, and is safe for concurrent use.
type Refusals struct {
	mu sync.Mutex
	by map[string]*tally // as many as there are sources, and one
}

// Refused is what was refused at one source.
type Refused struct {
	Source   string // "": a name that nobody has
	Total    map[Reason]int64
	LastHour int64
	Last     time.Time
	Reason   Reason // of the last
}

// tally is one source's count; minutes is a ring of the last hour.
type tally struct {
	Refused
	minutes [60]struct{ at, n int64 }
}

// note counts a call.
func (r *Refusals) note(source string, why Reason) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = map[string]*tally{}
	}
	t := r.by[source]
	if t == nil {
		t = &tally{Refused: Refused{Source: source, Total: map[Reason]int64{}}}
		r.by[source] = t
	}
	t.Total[why]++
	t.Last, t.Reason = now, why
	minute := now.Unix() / 60
	m := &t.minutes[minute%60]
	if m.at != minute {
		m.at, m.n = minute, 0
	}
	m.n++
}

// List returns what was refused so far, by source.
func (r *Refusals) List() []Refused {
	oldest := time.Now().Unix()/60 - 60
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Refused
	for _, t := range r.by {
		one := t.Refused
		one.Total = maps.Clone(one.Total)
		for _, m := range t.minutes {
			if m.at > oldest {
				one.LastHour += m.n
			}
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Refused) int { return strings.Compare(a.Source, b.Source) })
	return list
}

// why tells a call that proves nothing from one that proves it wrongly.
func (s *source) why(header http.Header) Reason {
	if s.Name == "" {
		return UnknownSource
	}
	if slices.ContainsFunc(s.Provider.headers(), func(name string) bool { return header.Get(name) != "" }) {
		return WrongSignature
	}
	return NoSignature
}
