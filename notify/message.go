package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Level says how a message should look and whether it should wake someone.
type Level string

// The levels.
const (
	Info Level = "info" // it goes on
	Good Level = "good" // it worked, or works again
	Warn Level = "warn" // it waits, or went back: the old version serves
	Bad  Level = "bad"  // a person is needed
)

// Message is what an event says to people. Its text is clean (see Clean) but
// not escaped: each channel does that its own way.
type Message struct {
	// ID is the same whenever the event is sent, and another for every other
	// event: receivers drop what they have seen.
	ID      string
	Key     string // messages with the same key tell of the same thing: a release, a trouble
	At      time.Time
	Level   Level
	Title   string   // one line without markup
	Text    string   // why, "" when the title says all
	Fields  []Field  // facts, in the order to show
	Details []Detail // long things, for a thread or the end
	Next    string   // the one thing to do, "" when nothing
	Event   release.Event
}

// Field is one fact of a message.
type Field struct{ Name, Value string }

// Detail is a block of lines, such as the last log lines.
type Detail struct {
	Name  string
	Lines []string
}

// Status is the status that the message tells of, "" for alerts and
// recoveries.
func (m Message) Status() release.Status {
	if m.Event.Release == nil || m.Event.Kind != release.EventStatus {
		return ""
	}
	return m.Event.Release.Status
}

// Make builds the message about an event.
func Make(ev release.Event) Message {
	ev = cleanEvent(ev)
	m := Message{
		ID:    "fl-" + strconv.FormatInt(ev.Seq, 10) + "-" + strconv.FormatInt(ev.At.UnixNano(), 36),
		Key:   ev.Key,
		At:    ev.At,
		Event: ev,
	}
	if ev.Release == nil || ev.Kind == release.EventAlert || ev.Kind == release.EventRecovered {
		m.Level, m.Title = Bad, ev.Message
		if ev.Kind == release.EventRecovered {
			m.Level, m.Title = Good, "Recovered: "+ev.Message
		}
		if lane := ev.Lane.String(); lane != "" {
			m.Title = lane + ": " + m.Title
		}
		return m
	}
	r := *ev.Release
	m.Key = string(r.ID)
	m.Level, m.Title = title(r)
	m.Text = text(r, ev.Message)
	m.Fields = fields(r)
	if r.Status == release.Waiting && len(r.Changes) > 0 {
		m.Details = append(m.Details, Detail{"Plan", changes(r.Changes)})
	}
	if f := r.Failure; f != nil {
		m.Fields = append(m.Fields, failureFields(*f)...)
		m.Details = append(m.Details, details(*f)...)
		m.Next = f.Next
	}
	if m.Next == "" && r.Status == release.NeedsHuman {
		m.Next = fmt.Sprintf("look at it with `fairlead status %s`, then `fairlead resume %s`", r.Lane, r.Lane)
	}
	return m
}

// TestMessage is what `fairlead notify test` sends.
func TestMessage(at time.Time) Message {
	return Message{
		ID:    "fl-test-" + strconv.FormatInt(at.UnixNano(), 36),
		At:    at,
		Level: Info,
		Title: "Fairlead can reach this channel",
		Text:  "This is the test that someone asked for. Nothing was deployed.",
		Event: release.Event{At: at, Kind: release.EventProgress, Message: "test of the notification channel"},
	}
}

// what names the thing that is released: a commit, or a version asked for.
func what(r release.Release) string {
	if r.Asked != "" && r.Target == nil { // a version of nobody knows which commit
		return cmp.Or(r.Version, r.Asked)
	}
	if s := r.Means().Short(); s != "" {
		return s
	}
	return r.Version
}

func title(r release.Release) (Level, string) {
	lane, it := r.Lane.String(), what(r)
	switch r.Status {
	case release.Queued:
		return Info, fmt.Sprintf("%s: %s is queued", lane, it)
	case release.Planning:
		return Info, fmt.Sprintf("%s: planning %s", lane, it)
	case release.Waiting:
		return Warn, fmt.Sprintf("%s: %s waits", lane, it)
	case release.Preparing:
		return Info, fmt.Sprintf("%s: preparing %s on all hosts", lane, it)
	case release.Switching:
		return Info, fmt.Sprintf("%s: switching to %s", lane, it)
	case release.Watching:
		return Info, fmt.Sprintf("%s: %s takes traffic and is being watched", lane, it)
	case release.RollingBack:
		return Warn, fmt.Sprintf("%s: rolling %s back", lane, it)
	case release.Succeeded:
		return Good, fmt.Sprintf("%s: %s is live on %s", lane, it, hostCount(len(r.Hosts)))
	case release.RolledBack:
		return Warn, fmt.Sprintf("%s: %s failed and was rolled back, %s serves", lane, it, previous(r))
	case release.Failed:
		if untouched(r.Hosts) {
			return Bad, fmt.Sprintf("%s: %s failed, %s still serves", lane, it, previous(r))
		}
		return Bad, fmt.Sprintf("%s: %s failed", lane, it)
	case release.Superseded:
		return Info, fmt.Sprintf("%s: %s gave way to a newer one", lane, it)
	case release.NeedsHuman:
		return Bad, fmt.Sprintf("%s: %s needs a human", lane, it)
	case release.Unchanged:
		return Info, fmt.Sprintf("%s: %s changes nothing", lane, it)
	}
	return Info, fmt.Sprintf("%s: %s is %s", lane, it, r.Status)
}

// hostCount tells how many hosts; a release without any names none.
func hostCount(n int) string {
	if n == 0 {
		return "its hosts"
	}
	return release.Count(n, "host")
}

// untouched tells whether every host is known to serve what it did before.
func untouched(hosts []release.HostOutcome) bool {
	return len(hosts) > 0 && !slices.ContainsFunc(hosts, func(h release.HostOutcome) bool { return h.State != "old" && h.State != "prepared" })
}

func previous(r release.Release) string {
	if r.Previous == "" {
		return "the version before"
	}
	return r.Previous
}

// text says why, from the reason, the failure and the event, each once.
func text(r release.Release, message string) string {
	var parts []string
	add := func(s string) {
		for _, p := range parts {
			if strings.Contains(p, s) {
				return
			}
		}
		parts = append(parts, s)
	}
	add(r.Reason)
	if f := r.Failure; f != nil && (f.Message == "" || !strings.Contains(r.Reason, f.Message)) {
		add(Clean(f.Error(), 2*maxLine))
	}
	add(message)
	parts = dropEmpty(parts)
	return strings.Join(parts, "\n")
}

func dropEmpty(in []string) []string {
	var out []string
	for _, s := range in {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func fields(r release.Release) []Field {
	all := []Field{
		{"Service", r.Lane.Service},
		{"Destination", r.Lane.Destination},
		{"Asked for", r.Asked},
		{"Commit", strings.TrimSpace(r.Means().Short() + " " + r.Means().Subject)},
		{"Author", r.Means().Author},
		{"Branch", r.Revision.Branch()},
		{"Cause", r.Cause.String()},
		{"Image", image(r)},
		{"Hosts", hosts(r.Hosts)},
		{"Hooks", hooks(r.Hooks)},
	}
	if d := r.Duration(); d > 0 {
		all = append(all, Field{"Took", d.Round(100 * time.Millisecond).String()})
	}
	return dropBlank(all)
}

func failureFields(f release.Failure) []Field {
	all := []Field{
		{"Failed step", f.Step},
		{"On host", f.Host},
		{"Role", f.Role},
		{"Container", f.Container},
	}
	if f.ExitCode != nil {
		all = append(all, Field{"Exit code", strconv.Itoa(*f.ExitCode)})
	}
	if f.OOMKilled {
		all = append(all, Field{"Out of memory", "the kernel killed it"})
	}
	return dropBlank(all)
}

func details(f release.Failure) []Detail {
	var all []Detail
	if len(f.Probes) > 0 {
		all = append(all, Detail{"Probe answers", f.Probes})
	}
	if len(f.Logs) > 0 {
		all = append(all, Detail{"Last log lines", f.Logs})
	}
	return all
}

// changes tells a plan in lines: "web1 web: replace container (image: a → b)".
func changes(all []release.Change) []string {
	var lines []string
	for _, c := range all {
		line := strings.TrimSpace(c.Host+" "+c.Role) + ": " + c.Step
		if c.Field != "" {
			line += " (" + c.Field + ": " + c.Was + " → " + c.Want + ")"
		}
		lines = append(lines, Clean(line, maxLine))
	}
	return lines
}

func dropBlank(in []Field) []Field {
	var out []Field
	for _, f := range in {
		if f.Value != "" {
			out = append(out, f)
		}
	}
	return out
}

func image(r release.Release) string {
	s := r.Image
	if r.Version != "" {
		s += ":" + r.Version
	}
	if d, ok := strings.CutPrefix(r.Digest, "sha256:"); ok {
		s += " (sha256:" + d[:min(12, len(d))] + ")"
	}
	return strings.TrimSpace(s)
}

// hooks sums up what ran: "pre-deploy in 3s, post-deploy ended with exit status 1".
func hooks(all []release.Hook) string {
	var parts []string
	for _, h := range all {
		part := h.Name
		if h.Part > 0 {
			part += " " + strconv.Itoa(h.Part)
		}
		switch {
		case h.Failed != "":
			part += " " + h.Failed
		case h.Ended.IsZero():
			part += " not ended yet"
		default:
			part += " in " + h.Ended.Sub(h.Started).Round(time.Second).String()
		}
		parts = append(parts, part)
	}
	return Clean(strings.Join(parts, ", "), maxLine)
}

// hosts sums up the outcomes: "web1, web2 new; web3 unreachable".
func hosts(all []release.HostOutcome) string {
	var states []string
	names := map[string][]string{}
	for _, h := range all {
		if names[h.State] == nil {
			states = append(states, h.State)
		}
		names[h.State] = append(names[h.State], h.Host)
	}
	var parts []string
	for _, state := range states {
		list := names[state]
		text := strings.Join(list[:min(len(list), 8)], ", ")
		if len(list) > 8 {
			text += fmt.Sprintf(" and %d more", len(list)-8)
		}
		parts = append(parts, strings.TrimSpace(text+" "+state))
	}
	return strings.Join(parts, "; ")
}
