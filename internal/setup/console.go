package setup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrNoTerminal: nobody is there to answer.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// A Console is who ran the command.
type Console struct {
	Out io.Writer
	In  io.Reader
	// Terminal tells that a person sits at In.
	Terminal bool
	// Yes agrees to every question.
	Yes bool
}

// Printf writes for people. That a pipe was closed is nobody's concern.
func (c Console) Printf(format string, args ...any) { _, _ = fmt.Fprintf(c.Out, format, args...) }

// Confirm asks a question that only "y" or "yes" agrees to. The error is
// ErrNoTerminal where nobody can answer.
func (c Console) Confirm(question string) (bool, error) {
	if c.Yes {
		return true, nil
	}
	answer, err := c.ask(question + " [y/N] ")
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes", nil
}

// ask reads one line.
func (c Console) ask(prompt string) (string, error) {
	if !c.Terminal {
		return "", ErrNoTerminal
	}
	c.Printf("%s", prompt)
	// One byte at a time: what follows the line is for the next question.
	line, err := bufio.NewReader(io.LimitReader(oneByte{c.In}, 4096)).ReadString('\n')
	if err != nil && line == "" {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return strings.TrimSpace(line), nil
}

type oneByte struct{ io.Reader }

// Read reads a byte.
func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }
