package process

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Mark is the variable by which the processes of a job are known, those that
// left its group too.
const Mark = "FAIRLEAD_HOOK_RUN"

// Grace is how long a process has between SIGTERM and SIGKILL.
const Grace = 2 * time.Second

// Job is what is run.
type Job struct {
	// ID was never used before; it has letters, digits and -_./ only.
	ID   string
	Name string // the file's, "pre-deploy"
	Argv []string
	// Script, where it is not nil, is a file that is run in Argv's place.
	Script   []byte
	Env      map[string]string
	Deadline time.Duration
	Keep     int // bytes of output that are kept, of its end
	// Folder and Environ are a person's own, for what runs in their checkout;
	// without them it is an empty folder, PATH and HOME. Here only.
	Folder  string
	Environ []string
}

// Outcome is how a job ended.
type Outcome struct {
	Code  int
	Lines []string // the end of what it printed: plain text
	// Failed is why it did not do its work, one clause; "" where it did.
	Failed string
}

// NotFound is the exit status of a shell that does not find a program.
const NotFound = 127

// ended is the outcome of a job that ran.
func (j Job) ended(code int, late bool, out *tail) Outcome {
	o := Outcome{Code: code, Lines: out.lines()}
	switch {
	case late:
		o.Failed = fmt.Sprintf("was stopped: it took longer than %s", j.Deadline)
	case code != 0:
		o.Failed = fmt.Sprintf("ended with exit status %d", code)
	}
	return o
}

// never is the outcome of a job that did not start.
func never(err error) Outcome {
	return Outcome{Code: NotFound, Failed: "cannot be started: " + err.Error()}
}

// pairs are its variables, and its mark.
func (j Job) pairs() []string {
	list := []string{Mark + "=" + j.ID}
	for _, name := range slices.Sorted(maps.Keys(j.Env)) {
		list = append(list, name+"="+j.Env[name])
	}
	return list
}

var errNul = errors.New("it has a byte 0 in it")

// tail keeps the last bytes written.
type tail struct {
	keep int
	mu   sync.Mutex
	buf  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-t.keep):]...)
	if over := len(t.buf) - t.keep; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// lines are plain text: no control characters.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.ToValidUTF8(strings.TrimRight(string(t.buf), "\r\n"), "�")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				return -1
			}
			return r
		}, l)
	}
	return lines
}
