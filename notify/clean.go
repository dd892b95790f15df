package notify

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-deploy/fairlead/release"
)

// Bounds of what a message carries of foreign text.
const (
	maxLine    = 500 // runes of one line
	maxLogs    = 40  // last log lines
	maxProbes  = 20
	maxChanges = 100
	maxHosts   = 300
)

// Clean makes one safe line of foreign text: control characters (C0, DEL, C1),
// terminal sequences and marks that turn the direction of text go, ends of
// lines and tabs become spaces, invalid UTF-8 becomes U+FFFD, and what is
// longer than limit runes ends in "…".
func Clean(s string, limit int) string {
	if len(s) > limit*utf8.UTFMax+4096 { // bound the work, leave room for sequences
		s = s[:limit*utf8.UTFMax+4096]
	}
	var b strings.Builder
	n := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == 0x1b {
			i += sequence(s[i:])
			continue
		}
		i += size
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unsafe(r):
			continue
		}
		if n == 0 && unicode.IsSpace(r) {
			continue
		}
		if n == limit {
			return strings.TrimRightFunc(trimLast(b.String()), unicode.IsSpace) + "…"
		}
		b.WriteRune(r)
		n++
	}
	return strings.TrimRightFunc(b.String(), unicode.IsSpace)
}

func trimLast(s string) string {
	_, size := utf8.DecodeLastRuneInString(s)
	return s[:len(s)-size]
}

// unsafe tells controls and bidirectional formatting characters (Unicode
// UAX #9, 2) from text.
func unsafe(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x061c, r == 0x200e, r == 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return true
	case r == 0xfeff, r >= 0xe0000 && r <= 0xe007f: // invisible: byte order mark, tags
		return true
	}
	return false
}

// sequence returns the length of the terminal sequence that begins with the
// ESC at s[0] (ECMA-48): CSI up to its final byte, OSC up to BEL or ESC.
func sequence(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x3f {
				return i
			}
		}
		return len(s)
	case ']':
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b || s[i] == '\n' {
				return i
			}
		}
		return len(s)
	}
	return 1
}

// cleanEvent returns a copy of ev with all foreign text cleaned and bounded.
func cleanEvent(ev release.Event) release.Event {
	ev.Message, ev.Key = Clean(ev.Message, 2*maxLine), Clean(ev.Key, maxLine)
	if ev.Release != nil {
		r := cleanRelease(*ev.Release)
		ev.Release = &r
	}
	return ev
}

func cleanRevision(r release.Revision) release.Revision {
	r.Author, r.Subject = Clean(r.Author, 200), Clean(r.Subject, maxLine)
	r.Ref, r.SHA = Clean(r.Ref, 255), Clean(r.SHA, 64)
	return r
}

func cleanRelease(r release.Release) release.Release {
	r.Revision, r.Asked = cleanRevision(r.Revision), Clean(r.Asked, 200)
	if r.Target != nil {
		target := cleanRevision(*r.Target)
		r.Target = &target
	}
	r.Cause.Actor, r.Cause.Detail = Clean(r.Cause.Actor, 200), Clean(r.Cause.Detail, 200)
	r.Reason, r.Previous = Clean(r.Reason, 2*maxLine), Clean(r.Previous, 200)
	r.Version, r.Image, r.Digest = Clean(r.Version, 200), Clean(r.Image, 300), Clean(r.Digest, 100)
	r.Hosts = slices.Clone(r.Hosts[:min(len(r.Hosts), maxHosts)])
	for i, h := range r.Hosts {
		r.Hosts[i] = release.HostOutcome{Host: Clean(h.Host, 255), State: Clean(h.State, 50), Detail: Clean(h.Detail, maxLine)}
	}
	r.Changes = slices.Clone(r.Changes[:min(len(r.Changes), maxChanges)])
	for i, c := range r.Changes {
		r.Changes[i] = release.Change{Host: Clean(c.Host, 255), Role: Clean(c.Role, 100), Step: Clean(c.Step, 200),
			Field: Clean(c.Field, 200), Was: Clean(c.Was, maxLine), Want: Clean(c.Want, maxLine)}
	}
	r.Hooks = slices.Clone(r.Hooks)
	for i, h := range r.Hooks {
		h.Name, h.Command, h.Host, h.Failed = Clean(h.Name, 50), Clean(h.Command, maxLine), Clean(h.Host, 255), Clean(h.Failed, maxLine)
		h.Output = cleanLines(h.Output, maxLogs)
		r.Hooks[i] = h
	}
	if r.Failure != nil {
		f := cleanFailure(*r.Failure)
		r.Failure = &f
	}
	return r
}

func cleanFailure(f release.Failure) release.Failure {
	f.Step, f.Host, f.Role, f.Container = Clean(f.Step, 200), Clean(f.Host, 255), Clean(f.Role, 100), Clean(f.Container, 255)
	f.Message, f.Next = Clean(f.Message, 2*maxLine), Clean(f.Next, 2*maxLine)
	f.Probes = cleanLines(f.Probes, maxProbes)
	f.Logs = cleanLines(f.Logs, maxLogs)
	return f
}

// cleanLines cleans the last limit lines.
func cleanLines(lines []string, limit int) []string {
	var out []string
	for _, line := range lines[max(0, len(lines)-limit):] {
		out = append(out, Clean(line, maxLine))
	}
	return out
}
