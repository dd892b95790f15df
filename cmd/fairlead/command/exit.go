package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// The exit statuses that are not 0 or 1.
const (
	ExitChanges     = 2   // plan: there is something to do
	ExitInterrupted = 130 // Ctrl-C, as shells say it
)

// ExitError ends the program with a status of its own; what there is to say
// was printed.
type ExitError int

func (e ExitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// hintError is an error with the one thing to do about it.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() + "; " + e.hint }
func (e *hintError) Unwrap() error { return e.err }

// Hint makes an error that says what to do.
func Hint(what, format string, args ...any) error {
	return &hintError{err: fmt.Errorf(format, args...), hint: what}
}

// located is an error that can show the lines of the file that it is about.
type located interface {
	error
	Excerpts() string
}

// refusal is an error as programs read it.
type refusal struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// Exit prints an error, as JSON where asked for, and returns the status.
func Exit(w io.Writer, err error, asJSON bool) int {
	if err == nil {
		return 0
	}
	if code, ok := errors.AsType[ExitError](err); ok {
		return int(code)
	}
	r := explained(err)
	if asJSON {
		_ = json.NewEncoder(w).Encode(r) // there is nobody else to tell
		return 1
	}
	text := strings.TrimRight(r.Error, "\n")
	if e, ok := errors.AsType[located](err); ok && r.Error == err.Error() {
		text = strings.Replace(text, e.Error(), e.Excerpts(), 1)
	}
	if r.Hint != "" {
		text += "\n  → " + r.Hint
	}
	_, _ = fmt.Fprintln(w, "fairlead:", text)
	return 1
}

func explained(err error) refusal {
	if e, ok := errors.AsType[*hintError](err); ok {
		return refusal{e.err.Error(), e.hint}
	}
	if e, ok := errors.AsType[*server.Error](err); ok {
		return refusal{e.Message, e.Hint}
	}
	if errors.Is(err, client.ErrNoDaemon) {
		what, hint, _ := strings.Cut(err.Error(), "; ")
		return refusal{what, hint}
	}
	text, usage := err.Error(), ""
	if strings.HasPrefix(text, "unknown command") || strings.HasPrefix(text, "unknown flag") || strings.HasPrefix(text, "unknown shorthand") {
		usage = "`fairlead --help` lists the commands, `fairlead COMMAND --help` the flags"
	}
	return refusal{text, usage}
}
