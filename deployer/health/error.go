package health

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
)

// Error is a verdict on a container: it was seen not to work.
type Error struct {
	Container string // its name
	Message   string // one clause: "exited with code 1", "not healthy after 30s"
	Exited    bool
	ExitCode  int // when Exited
	OOMKilled bool
	Probes    []string // "GET :3000/up: 503 (3x)"
	Logs      []string // last lines, oldest first
	Remedy    string   // the one thing to do, where it is not that of its kind

	rests bool // it ended, and its engine leaves it so
	again bool // it runs again: how it ended must be looked up
}

// ErrOutdated is told of a container that was said to run, by an engine's list
// that was behind, and that has not been seen to since. That is no verdict: the
// host is read anew.
var ErrOutdated = errors.New("it has ended since its host was read")

// Ended tells whether an error is the verdict that a container has ended, and
// that its engine does not start it again.
func Ended(err error) bool {
	v, ok := errors.AsType[*Error](err)
	return ok && v.rests
}

func (e *Error) ended(how container.Ending) {
	e.Exited, e.ExitCode, e.OOMKilled = true, how.ExitCode, how.OOMKilled
	e.Message = fmt.Sprintf("exited with code %d", how.ExitCode)
	if how.OOMKilled {
		e.Message = "was killed: out of memory"
	}
}

func (e *Error) Error() string {
	s := e.Container + " " + e.Message
	if len(e.Probes) > 0 {
		s += " (" + strings.Join(e.Probes, "; ") + ")"
	}
	return s
}

// maxAnswers bounds how many different answers are kept; an app that answers
// something new each time is cut there.
const maxAnswers = 8

// tally counts the distinct answers of a probe, in the order first seen.
type tally struct {
	order []string
	count map[string]int
}

func (t *tally) add(answer string) {
	if t.count == nil {
		t.count = map[string]int{}
	}
	if t.count[answer] == 0 {
		if len(t.order) == maxAnswers {
			answer = "other answers"
		}
		if t.count[answer] == 0 {
			t.order = append(t.order, answer)
		}
	}
	t.count[answer]++
}

func (t *tally) list() []string {
	var list []string
	for _, a := range t.order {
		if n := t.count[a]; n > 1 {
			a += fmt.Sprintf(" (%dx)", n)
		}
		list = append(list, a)
	}
	return list
}

func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
