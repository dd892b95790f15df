package server

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteText writes the status for people: the summary, a line per service, and
// what is not well with repositories.
func (st Status) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", plain(st.Summary))
	if len(st.Services) > 0 {
		b.WriteString("\n")
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, s := range st.Services {
		row(table, s.Lane.String(), s.running(), s.sentence())
		for _, h := range s.Apart {
			row(table, "", "", strings.TrimSuffix(h.Host+" "+h.State+": "+h.Detail, ": "))
		}
		for _, news := range s.Newer {
			row(table, "", "", "newer available: "+news)
		}
		if s.Next != "" && s.State != OnCommit {
			row(table, "", "", "→ "+s.Next)
		}
	}
	section(table, "Repositories")
	for _, r := range st.Repositories {
		row(table, r.Name, short(r.Tip), r.sentence(st))
	}
	st.refusals(table)
	if len(st.Cordons) > 0 {
		section(table, "Cordoned hosts")
		for _, c := range st.Cordons {
			row(table, c.Host, "", c.String())
		}
	}
	if len(st.Alerts) > 0 {
		section(table, "Alerts")
		for _, a := range st.Alerts {
			row(table, a.At.UTC().Format("2006-01-02 15:04 MST"), a.Lane.String(), a.Message)
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return fmt.Errorf("write status: %w", err)
		}
	}
	return nil
}

// section begins a new table, with columns of its own.
func section(table *tabwriter.Writer, title string) {
	_ = table.Flush() // into memory
	_, _ = fmt.Fprintf(table, "\n%s\n", title)
	_ = table.Flush()
}

func row(table *tabwriter.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = plain(c)
	}
	_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
}

// running names what serves: commit and version.
func (s Service) running() string {
	r := s.LastSuccess
	if r == nil {
		return "-"
	}
	commit := short(cmp.Or(s.Commit, r.Revision.SHA))
	if r.Version == "" || strings.HasPrefix(r.Revision.SHA, r.Version) || strings.HasPrefix(s.Commit, r.Version) {
		return commit
	}
	return commit + " " + r.Version
}

func (s Service) sentence() string {
	switch {
	case s.State == OnCommit && s.LastSuccess != nil && !s.LastSuccess.Ended.IsZero():
		return string(s.State) + " since " + s.LastSuccess.Ended.UTC().Format("2006-01-02 15:04 MST")
	case s.State == Held:
		return s.Reason // begins with "held by"
	case s.State == Rolling:
		return s.Reason
	case s.Reason == "":
		return string(s.State)
	}
	return string(s.State) + ": " + s.Reason
}

func (r Repository) sentence(st Status) string {
	text := r.State
	if !r.Looked.IsZero() {
		text += ", looked " + age(st.At.Sub(r.Looked)) + " ago"
	}
	if r.State == "ok" || r.Looked.IsZero() {
		return text
	}
	if r.OKFrom.IsZero() {
		return text + ", never worked"
	}
	return text + ", last worked " + age(st.At.Sub(r.OKFrom)) + " ago"
}

// plain makes foreign text safe for a terminal and a table: control
// characters, line breaks and marks that turn the direction of writing
// (CVE-2021-42574) become spaces.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
