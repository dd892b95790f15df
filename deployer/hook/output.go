package hook

import (
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// maxKept bounds, in bytes, what is kept of the output of a release's hooks.
const maxKept = 64 << 10

// last returns the last lines that have room in so many bytes; of one that has
// not, its end.
func last(lines []string, room int) []string {
	for i := len(lines) - 1; i >= 0; i-- {
		if room -= len(lines[i]) + 1; room < 0 {
			kept := slices.Clone(lines[i+1:])
			if cut := len(lines[i]) + room; len(kept) == 0 && cut > 0 {
				kept = []string{strings.ToValidUTF8(lines[i][len(lines[i])-cut:], "")}
			}
			return kept
		}
	}
	return lines
}

func size(lines []string) (n int) {
	for _, l := range lines {
		n += len(l) + 1
	}
	return n
}

// scrubbed replaces the values of secrets that hooks are given. A value of
// several lines is known by each of them.
func (r *Run) scrubbed(lines []string) []string {
	var values []secret.Value
	for name, v := range r.Like.Spec.Env {
		if !r.Like.Clear[name] {
			values = append(values, v)
		}
	}
	for _, v := range r.Secrets {
		values = append(values, v)
	}
	var known secret.Scrubber
	known.Know("", values...)
	out := slices.Clone(lines)
	for i, l := range out {
		out[i] = known.Scrub(l)
	}
	return out
}

// Aside is what is said of a release's hooks when it comes to a status.
func Aside(r release.Release, to release.Status) string {
	switch to {
	case release.RollingBack, release.RolledBack, release.Failed, release.NeedsHuman, release.Superseded:
		return NotUndone(r)
	}
	return ""
}

// Undone says of a person's rollback to an earlier release what hooks did that
// it does not undo: those of the releases that succeeded since, newest first.
// "" where to is nil.
func Undone(to *release.Release, good []release.Release) (said string) {
	if to == nil {
		return ""
	}
	for _, r := range good {
		if r.ID == to.ID || r.Version == to.Version {
			break
		}
		said += NotUndone(r)
	}
	return said
}

// NotUndone is what every message about a release that is gone back from says
// of its hooks, "" where none began.
func NotUndone(r release.Release) string {
	var names []string
	for _, h := range r.Hooks {
		if !slices.Contains(names, h.Name) && !isBack(h.Name) {
			names = append(names, h.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	verb := "hook"
	if len(names) > 1 {
		verb = "hooks"
	}
	return "; what its " + verb + " did (" + strings.Join(names, ", ") + ") is not undone"
}
