package engine

import (
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// A Line is something that a build says: the name of a step that begins, or a
// line that a step printed.
type Line struct {
	// Step tells that Text is a step's name, such as "[2/3] RUN make".
	Step bool
	Text string
}

// maxLine is how many bytes of a line are told.
const maxLine = 500

// trace reads BuildKit's own progress (buildkit, api/services/control:
// StatusResponse), which the engine passes on as it is.
type trace struct {
	told func(Line)

	named  map[string]bool   // vertices whose name was told, by digest
	cut    map[string]string // the beginning of a line without its end, by vertex
	failed string            // the name of the step that failed
}

func newTrace(told func(Line)) *trace {
	return &trace{told: told, named: map[string]bool{}, cut: map[string]string{}}
}

// The numbers of fields that are read.
const (
	statusVertexes = 1
	statusLogs     = 3
	vertexDigest   = 1
	vertexName     = 3
	vertexCached   = 4
	vertexStarted  = 5
	vertexError    = 7
	logVertex      = 1
	logMessage     = 4
)

// read tells what is new in one message. One that is damaged says nothing:
// progress decides about nothing.
func (t *trace) read(message []byte) {
	status, err := fields(message)
	if err != nil {
		return
	}
	for _, f := range status {
		part, err := fields(f.bytes)
		if err != nil {
			continue
		}
		switch f.num {
		case statusVertexes:
			t.vertex(part)
		case statusLogs:
			t.log(text(part, logVertex), text(part, logMessage))
		}
	}
}

func (t *trace) vertex(v []field) {
	id, name := text(v, vertexDigest), plain(text(v, vertexName))
	if text(v, vertexError) != "" && t.failed == "" {
		t.failed = name
	}
	for _, f := range v {
		begun := f.num == vertexStarted || f.num == vertexCached && f.varint != 0
		if begun && !t.named[id] {
			t.named[id] = true
			if !strings.HasPrefix(name, "[internal]") && !strings.Contains(name, "/context /") && name != "" {
				t.told(Line{Step: true, Text: name})
			}
		}
	}
}

// log tells the lines of what a step printed.
func (t *trace) log(vertex, message string) {
	lines := strings.Split(t.cut[vertex]+message, "\n")
	for _, line := range lines[:len(lines)-1] {
		t.tell(line)
	}
	last := lines[len(lines)-1]
	t.cut[vertex] = last[:min(len(last), 4*maxLine)]
}

// end tells what was begun and never ended.
func (t *trace) end() {
	for vertex, line := range t.cut {
		t.tell(line)
		delete(t.cut, vertex)
	}
}

func (t *trace) tell(line string) {
	if i := strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r'); i >= 0 {
		line = line[i+1:] // what a progress bar overwrote
	}
	if line = plain(line); line != "" {
		t.told(Line{Text: line})
	}
}

// plain makes a builder's text safe to show, on one line.
func plain(s string) string {
	s = strings.NewReplacer("\t", " ", "\n", " ").Replace(docker.PlainText(s, 8*maxLine))
	return strings.TrimSpace(strings.ToValidUTF8(s[:min(len(s), maxLine)], ""))
}
