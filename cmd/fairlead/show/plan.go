package show

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// Plan writes a plan: what differs, host by host, and whether it waits.
// Verbose adds how each role is replaced and every step.
func (s Style) Plan(p release.Plan, verbose bool) string {
	var b strings.Builder
	b.WriteString(s.Title(headline(p)) + "\n")
	if len(p.Changes) > 0 {
		b.WriteString("\n" + s.changes(p.Changes))
	}
	if verbose {
		b.WriteString(s.details(p))
	}
	for i, hook := range p.Hooks {
		if i == 0 {
			b.WriteString("\n" + s.Title("Hooks, once and not undone") + "\n")
		}
		b.WriteString("  " + Plain(hook) + "\n")
	}
	for i, skipped := range p.Skipped {
		if i == 0 {
			b.WriteString("\n" + s.Title("Skipped, and caught up later") + "\n")
		}
		b.WriteString("  " + Plain(skipped) + "\n")
	}
	for i, orphan := range p.Orphans {
		if i == 0 {
			b.WriteString("\n" + s.Title("Not wanted any more") + "\n")
		}
		b.WriteString("  " + Plain(orphan) + "\n")
	}
	for i, news := range p.Newer {
		if i == 0 {
			b.WriteString("\n" + s.Title("Newer available") + "\n")
		}
		b.WriteString("  " + Plain(news) + "\n")
	}
	if p.Waits != "" {
		would := "It would wait: "
		if p.Empty() {
			would = "A new commit would wait: "
		}
		b.WriteString("\n" + s.paint(yellow, would+Plain(p.Waits)) + "\n")
	}
	for i, w := range p.Warnings {
		if i == 0 {
			b.WriteString("\n")
		}
		b.WriteString(s.Warning(w) + "\n")
	}
	return b.String()
}

func headline(p release.Plan) string {
	what := Plain(strings.TrimSpace(commit(p.Revision) + " " + otherThan(p.Version, p.Revision)))
	if p.Empty() {
		return fmt.Sprintf("%s: nothing to do; the servers run %s", p.Lane, what)
	}
	hosts := map[string]bool{}
	for _, u := range p.Units {
		hosts[u.Host] = true
	}
	touched := map[string]bool{}
	for _, c := range p.Changes {
		touched[c.Host] = true
	}
	if len(touched) == 0 {
		return fmt.Sprintf("%s: only clean-up is left to do for %s", p.Lane, what)
	}
	return fmt.Sprintf("%s: %d of %s would change to %s", p.Lane, len(touched), release.Count(max(len(hosts), len(touched)), "host"), what)
}

func commit(r release.Revision) string {
	if r.Subject == "" {
		return r.Short()
	}
	return fmt.Sprintf("%s %q", r.Short(), r.Subject)
}

// otherThan is a version where it says more than the commit.
func otherThan(version string, r release.Revision) string {
	if version == "" || version == r.SHA || len(version) >= 7 && strings.HasPrefix(r.SHA, version) {
		return ""
	}
	return "as " + version
}

// changes writes what differs; hosts where it is the same share their lines.
func (s Style) changes(list []release.Change) string {
	var order []string
	byHost := map[string][]release.Change{}
	for _, c := range list {
		if _, ok := byHost[c.Host]; !ok {
			order = append(order, c.Host)
		}
		byHost[c.Host] = append(byHost[c.Host], c)
	}
	var texts []string
	hosts := map[string][]string{}
	for _, h := range order {
		text := s.onHost(Fold(byHost[h]))
		if _, ok := hosts[text]; !ok {
			texts = append(texts, text)
		}
		hosts[text] = append(hosts[text], h)
	}
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(s.Title(Plain(strings.Join(hosts[text], ", "))) + "\n" + text)
	}
	return b.String()
}

func (s Style) onHost(list []release.Change) string {
	var rows [][]string
	role, step := "\x00", ""
	for _, c := range list {
		cells := []string{"", "", Plain(c.Field), s.turn(c)}
		if c.Role != role || c.Step != step {
			cells[1] = Plain(c.Step)
		}
		if c.Role != role {
			cells[0] = Plain(c.Role)
		}
		role, step = c.Role, c.Step
		rows = append(rows, cells)
	}
	return table("  ", rows)
}

// turn is what a change makes of what.
func (s Style) turn(c release.Change) string {
	was, want := Plain(c.Was), Plain(c.Want)
	switch {
	case was == want && was != "":
		return s.paint(faint, "changed (secret)")
	case was == "":
		return s.paint(green, want)
	case want == "":
		return s.paint(red, was+" → none")
	}
	return s.paint(red, was) + " → " + s.paint(green, want)
}

// Fold leaves out what another change of the same role explains: the variables
// that Kamal derives from the version, where the image or the version changes.
func Fold(list []release.Change) []release.Change {
	explained := map[string]bool{} // role + field
	for _, c := range list {
		switch c.Field {
		case "image":
			explained[c.Role+" env.KAMAL_VERSION"] = true
			explained[c.Role+" env.KAMAL_CONTAINER_NAME"] = true
		case "env.KAMAL_VERSION":
			explained[c.Role+" env.KAMAL_CONTAINER_NAME"] = true
		}
	}
	var rest []release.Change
	for _, c := range list {
		if explained[c.Role+" "+c.Field] {
			continue
		}
		if c.Field == "env.KAMAL_VERSION" {
			c.Field = "version"
		}
		rest = append(rest, c)
	}
	return rest
}

func (s Style) details(p release.Plan) string {
	var b strings.Builder
	if len(p.Units) > 0 {
		var rows [][]string
		for _, u := range p.Units {
			why := ""
			if u.Why != "" {
				why = "(" + u.Why + ")"
			}
			rows = append(rows, []string{Plain(u.Host), Plain(u.Role), Plain(u.Kind), Plain(why)})
		}
		b.WriteString("\n" + s.Title("Roles") + "\n" + table("  ", rows))
	}
	if len(p.Steps) > 0 {
		b.WriteString("\n" + s.Title("Steps") + "\n")
		for i, step := range p.Steps {
			fmt.Fprintf(&b, "  %*d. %s\n", len(fmt.Sprint(len(p.Steps))), i+1, Plain(step))
		}
	}
	return b.String()
}

// History writes releases, a line each.
func (s Style) History(list []release.Release) string {
	rows := [][]string{{"RELEASE", "WHEN", "SERVICE", "VERSION", "TOOK", "STATUS", ""}}
	for _, r := range list {
		version := r.Version
		switch {
		case version == "" && r.Asked != "":
			version = "-" // it came to none
		case version == "" || version == r.Revision.SHA:
			version = r.Revision.Short()
		}
		rows = append(rows, []string{string(r.ID), date(latest(r)), r.Lane.String(), Plain(version), took(r.Duration()), words(r.Status), brief(r)})
	}
	lines := slices.Collect(strings.Lines(table("", rows)))
	for i, r := range list { // after aligning, as colours have no width
		lines[i+1] = strings.Replace(lines[i+1], "  "+words(r.Status), "  "+s.Status(r.Status), 1)
	}
	lines[0] = s.paint(faint, strings.TrimSuffix(lines[0], "\n")) + "\n"
	return strings.Join(lines, "")
}

func latest(r release.Release) (t time.Time) {
	for _, at := range []time.Time{r.Queued, r.Started, r.Ended} {
		if at.After(t) {
			t = at
		}
	}
	return t
}

// brief is why a release is as it is, in one line of bearable length.
func brief(r release.Release) string {
	text := Plain(r.Reason)
	switch {
	case r.Status != release.Succeeded && r.Status != release.Unchanged:
	case r.Cause.Kind == release.CauseManual && text != "": // the commit is where Git was, not what was asked for
		text = Plain(r.Cause.Actor) + ": " + text
	default:
		text = Plain(r.Revision.Subject)
	}
	if runes := []rune(text); len(runes) > 72 {
		text = string(runes[:71]) + "…"
	}
	return text
}
