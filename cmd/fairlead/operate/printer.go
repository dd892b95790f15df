package operate

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/cmd/fairlead/command"
	"github.com/fairlead-deploy/fairlead/cmd/fairlead/show"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// printer prints what is told: output as it is, lines with their place, and,
// at the end, what was found as a table.
type printer struct {
	cmd    *cobra.Command
	asJSON bool
	raw    bool // output has no place before its lines
	bare   bool // log lines have no time

	several bool // output comes from several places
	parts   map[string]*bytes.Buffer
	exits   map[operation.Source]int
	found   []operation.Told
}

func newPrinter(cmd *cobra.Command, asJSON bool) *printer {
	return &printer{cmd: cmd, asJSON: asJSON, parts: map[string]*bytes.Buffer{}, exits: map[operation.Source]int{}}
}

// tell prints one thing.
func (p *printer) tell(t operation.Told) error {
	if t.Exit != nil {
		p.exits[t.Source] = *t.Exit
	}
	if p.asJSON {
		return command.SayLine(p.cmd, t)
	}
	switch {
	case t.Places > 1:
		p.several = true
	case t.Out != nil:
		return p.output(p.cmd.OutOrStdout(), "o", t.Source, t.Out)
	case t.Err != nil:
		return p.output(p.cmd.ErrOrStderr(), "e", t.Source, t.Err)
	case t.Line != nil:
		return p.line(t)
	case t.Done != "":
		return command.Say(p.cmd, placed(t.Source, show.Plain(t.Done))+"\n")
	case t.Warning != "":
		command.Warn(p.cmd, "%s", placed(t.Source, t.Warning))
	case t.Container != nil, t.Image != nil, t.Lock != nil, t.Dump != nil:
		p.found = append(p.found, t)
	}
	return nil
}

// placed puts a sentence behind its place.
func placed(s operation.Source, text string) string {
	if where := strings.Join(slices.DeleteFunc([]string{s.Host, cmp.Or(s.Name, s.Role)}, func(s string) bool { return s == "" }), " "); where != "" {
		return where + ": " + text
	}
	return text
}

// prefix is what stands before a line of several places.
func prefix(s operation.Source) string { return strings.TrimSpace(s.Host+" "+s.Role) + " | " }

// output writes a stream as it is, or, where there are several, its lines with
// their place.
func (p *printer) output(w io.Writer, stream string, from operation.Source, b []byte) error {
	if p.raw || !p.several {
		_, err := w.Write(b)
		return err
	}
	key := stream + from.Host + "\x00" + from.Role
	part := p.parts[key]
	if part == nil {
		part = &bytes.Buffer{}
		p.parts[key] = part
	}
	part.Write(b)
	for part.Len() > 0 {
		line, step := part.Bytes(), operation.Chunk
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line, step = line[:end], end+1
		} else if part.Len() < operation.Chunk {
			return nil
		}
		if _, err := fmt.Fprintf(w, "%s%s\n", prefix(from), line[:min(len(line), step)]); err != nil {
			return err
		}
		part.Next(step)
	}
	return nil
}

func (p *printer) line(t operation.Told) error {
	at := ""
	if !p.bare && !t.Line.At.IsZero() {
		at = t.Line.At.UTC().Format("2006-01-02T15:04:05.000Z") + " "
	}
	return command.Say(p.cmd, at+prefix(t.Source)+t.Line.Text+"\n")
}

// end prints what is left, and returns how it ended: the error, else the first
// status of a command that is not 0.
func (p *printer) end(cmd *cobra.Command, err error) error {
	for _, key := range slices.Sorted(maps.Keys(p.parts)) {
		if part := p.parts[key]; part.Len() > 0 {
			host, role, _ := strings.Cut(key[1:], "\x00")
			w := p.cmd.OutOrStdout()
			if key[0] == 'e' {
				w = p.cmd.ErrOrStderr()
			}
			_, _ = fmt.Fprintf(w, "%s%s\n", prefix(operation.Source{Host: host, Role: role}), part.Bytes())
		}
	}
	if said := p.table(); said != "" {
		if serr := command.Say(p.cmd, said); serr != nil {
			return serr
		}
	}
	if err != nil {
		return outcome(cmd, err)
	}
	places := slices.SortedFunc(maps.Keys(p.exits), func(a, b operation.Source) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Role, b.Role))
	})
	for _, place := range places {
		code := p.exits[place]
		if code == 0 {
			continue
		}
		if p.several && !p.asJSON {
			command.Warn(p.cmd, "%s", placed(place, fmt.Sprintf("exit status %d", code)))
		}
		return command.ExitError(code)
	}
	return nil
}

// table is what was found, sorted by place.
func (p *printer) table() string {
	if len(p.found) == 0 {
		return ""
	}
	slices.SortStableFunc(p.found, func(a, b operation.Told) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Role, b.Role))
	})
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		for i, c := range cells {
			cells[i] = show.Plain(c)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) // into memory
	}
	switch first := p.found[0]; {
	case first.Container != nil:
		row("HOST", "ROLE", "VERSION", "STATE", "SINCE", "CONTAINER", "IMAGE")
	case first.Image != nil:
		row("HOST", "TAGS", "SIZE", "CREATED", "IN USE")
	case first.Dump != nil:
		row("ACCESSORY", "BACKUP", "SIZE", "FILE")
	}
	for _, t := range p.found {
		switch {
		case t.Container != nil:
			c := t.Container
			row(t.Host, t.Role, cmp.Or(c.Version, "-"), c.State, age(cmp.Or(since(*c), c.Created)), t.Name, c.Image)
		case t.Image != nil:
			row(t.Host, cmp.Or(strings.Join(t.Image.Tags, " "), "-"), units.HumanSize(float64(t.Image.Size)), age(t.Image.Created), yes(t.Image.InUse))
		case t.Dump != nil:
			row(t.Dump.Accessory, t.Dump.Name, units.HumanSize(float64(t.Dump.Size)), t.Dump.Path)
		case t.Lock != nil && t.Lock.Held:
			row(t.Host, "locked by "+t.Lock.By)
		case t.Lock != nil:
			row(t.Host, "not locked")
		}
	}
	_ = w.Flush()
	var out strings.Builder
	for line := range strings.Lines(b.String()) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

// since is when a container that runs was started.
func since(c operation.Container) time.Time {
	if c.Running {
		return c.Started
	}
	return time.Time{}
}

// age is a time as people read it; images made by some tools have none.
func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
