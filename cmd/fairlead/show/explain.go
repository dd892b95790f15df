package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Explain tells the story of a release: what it is, what happened, what came
// out wrong, and what to do now. Held is what keeps the lane, "" for nothing.
func (s Style) Explain(r release.Release, events []release.Event, held string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", s.Title(r.Lane.String()), s.Status(r.Status), s.paint(faint, string(r.ID)))
	b.WriteString(about(r))
	if r.Reason != "" {
		b.WriteString("\n" + Plain(r.Reason) + "\n")
	}
	if len(events) > 0 {
		b.WriteString("\n" + s.Title("What happened") + "\n" + s.timeline(events))
	}
	if len(r.Changes) > 0 {
		b.WriteString("\n" + s.Title("What it changes") + "\n" + s.changes(r.Changes))
	}
	if r.Failure != nil {
		b.WriteString("\n" + s.Title("What went wrong") + "\n  " + s.paint(red, Plain(r.Failure.Error())) + "\n" + s.Failure(r.Failure))
	}
	if len(r.Hooks) > 0 {
		b.WriteString("\n" + s.Title("Hooks, which are not undone") + "\n")
		s.hooks(&b, r.Hooks)
	}
	if len(r.Hosts) > 0 {
		b.WriteString("\n" + s.Title("Hosts") + "\n" + outcomes(r.Hosts))
	}
	for i, line := range strings.Split(held, "\n") {
		if i == 0 && line != "" {
			b.WriteString("\n")
		}
		if line != "" {
			b.WriteString(s.paint(yellow, Plain(line)) + "\n")
		}
	}
	if next := Next(r); next != "" {
		b.WriteString("\n" + s.Title("What to do") + "\n  " + s.paint(cyan, "→ ") + Plain(next) + "\n")
	}
	return b.String()
}

func about(r release.Release) string {
	means := r.Means()
	rows := [][]string{{"commit", Plain(strings.TrimSpace(commit(means)))}}
	switch {
	case r.Target != nil:
		rows = append(rows, []string{"Git says", Plain(strings.TrimSpace(commit(r.Revision)))})
	case r.Asked != "":
		rows = [][]string{{"Git says", Plain(strings.TrimSpace(commit(r.Revision)))}}
	}
	if means.Author != "" && (r.Asked == "" || r.Target != nil) {
		rows = append(rows, []string{"author", Plain(means.Author)})
	}
	if r.Asked != "" {
		rows = append(rows, []string{"asked for", Plain(r.Asked)})
	}
	if r.Version != "" && r.Version != r.Revision.SHA {
		rows = append(rows, []string{"version", Plain(r.Version)})
	}
	if r.Previous != "" {
		rows = append(rows, []string{"before it", Plain(r.Previous)})
	}
	if r.Image != "" {
		rows = append(rows, []string{"image", Plain(r.Image + at(r.Digest))})
	}
	cause := []string{"cause", Plain(r.Cause.String())}
	if r.Cause.Actor != "" {
		cause = []string{"asked by", Plain(r.Cause.Actor)}
	}
	rows = append(rows, cause, []string{"queued", date(r.Queued)})
	if d := took(r.Duration()); d != "" {
		rows = append(rows, []string{"took", d})
	}
	return table("  ", rows)
}

func at(digest string) string {
	if digest == "" {
		return ""
	}
	return "@" + digest
}

// timeline writes a release's events; a message that repeats the one before
// says nothing new.
func (s Style) timeline(events []release.Event) string {
	var b strings.Builder
	last := ""
	for _, ev := range events {
		if ev.Message == last {
			continue
		}
		last = ev.Message
		b.WriteString("  " + s.Progress(ev) + "\n")
	}
	return b.String()
}

// Progress is an event of a release that is being followed, in one line.
func (s Style) Progress(ev release.Event) string {
	status := "             "
	if ev.Release != nil {
		word := words(ev.Release.Status)
		status = s.Status(ev.Release.Status) + strings.Repeat(" ", max(13-len(word), 1))
	}
	return s.paint(faint, ev.At.UTC().Format("15:04:05")) + "  " + status + Plain(ev.Message)
}

// Event is one event among those of all services, in one line.
func (s Style) Event(ev release.Event) string {
	word, code := words(release.Status(ev.Kind)), cyan
	switch {
	case ev.Kind == release.EventAlert:
		code = red
	case ev.Kind == release.EventRecovered:
		code = green
	case ev.Release != nil:
		word, code = words(ev.Release.Status), hue(ev.Release.Status)
	}
	parts := []string{s.paint(faint, ev.At.UTC().Format("2006-01-02 15:04:05 MST"))}
	if lane := Plain(ev.Lane.String()); lane != "" {
		parts = append(parts, s.Title(lane))
	}
	if ev.Release != nil && ev.Release.Revision.SHA != "" {
		parts = append(parts, ev.Release.Revision.Short())
	}
	return strings.Join(append(parts, s.paint(code, word), Plain(ev.Message)), "  ")
}

// Failure writes all that is known of a failure besides its message, indented.
func (s Style) Failure(f *release.Failure) string {
	var b strings.Builder
	switch f.Class {
	case release.Verdict:
		b.WriteString("  The release itself did not work: it is not tried again by itself.\n")
	case release.World:
		b.WriteString("  The release itself is not at fault.\n")
	}
	var facts []string
	for _, fact := range []struct{ name, value string }{{"role", f.Role}, {"container", f.Container}} {
		if fact.value != "" {
			facts = append(facts, fact.name+" "+Plain(fact.value))
		}
	}
	if f.ExitCode != nil {
		facts = append(facts, fmt.Sprintf("exit code %d", *f.ExitCode))
	}
	if f.OOMKilled {
		facts = append(facts, "killed for lack of memory")
	}
	if len(facts) > 0 {
		b.WriteString("  " + strings.Join(facts, ", ") + "\n")
	}
	s.lines(&b, "The probes' answers:", f.Probes)
	s.lines(&b, "The last lines of its log:", f.Logs)
	return b.String()
}

// hookLines is how much of a hook's output is shown here; --json has all of it.
const hookLines = 20

func (s Style) hooks(b *strings.Builder, all []release.Hook) {
	for _, h := range all {
		where, end := h.Host, "may still run"
		if where == "" {
			where = "Fairlead's machine"
		}
		switch {
		case h.Failed != "":
			end = s.paint(red, Plain(h.Failed))
		case !h.Ended.IsZero():
			end = "done in " + max(h.Ended.Sub(h.Started), 0).Round(time.Second).String()
		}
		fmt.Fprintf(b, "  %s on %s, %s: %s\n", Plain(h.Name), Plain(where), end, Plain(h.Command))
		for _, l := range h.Output[max(0, len(h.Output)-hookLines):] {
			b.WriteString("  " + s.paint(faint, "│") + " " + Plain(l) + "\n")
		}
	}
}

func (s Style) lines(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString("  " + title + "\n")
	for _, l := range lines {
		b.WriteString("  " + s.paint(faint, "│") + " " + Plain(l) + "\n")
	}
}

func outcomes(hosts []release.HostOutcome) string {
	var rows [][]string
	for _, h := range hosts {
		state := h.State
		switch state {
		case "old":
			state = "runs what ran before"
		case "new":
			state = "runs this release"
		case "none":
			state = "runs nothing"
		}
		rows = append(rows, []string{Plain(h.Host), Plain(state), Plain(h.Detail)})
	}
	return table("  ", rows)
}

// Next is the one thing for a person to do about a release, "" for nothing.
func Next(r release.Release) string {
	if r.Failure != nil && r.Failure.Next != "" && r.Status != release.Succeeded {
		return r.Failure.Next
	}
	lane := r.Lane.String()
	switch r.Status {
	case release.RolledBack, release.Failed:
		return fmt.Sprintf("mend it and push, or try the same again with `fairlead retry %s`", lane)
	case release.Waiting:
		if r.Failure != nil && r.Failure.Class == release.World {
			return "nothing, if that mends itself: the daemon tries until it works"
		}
	case release.NeedsHuman:
		return fmt.Sprintf("look at the hosts (`fairlead plan %s`), then `fairlead deploy %[1]s` or `fairlead rollback %[1]s`", lane)
	}
	return ""
}
