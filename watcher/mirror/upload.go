package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// request is one question to git-upload-pack (gitprotocol-pack, "Packfile
// Negotiation"): everything is said at once and the answer is one pack.
type request struct {
	want    []string
	have    []string
	shallow []string // what we hold without its parents
	depth   int      // 0: no limit
	filter  string   // gitrev-list's --filter; empty: none
}

func (r request) encode(caps capabilities) []byte {
	words := []string{"agent=fairlead"}
	for _, c := range []string{"multi_ack_detailed", "no-progress", "ofs-delta", "side-band-64k"} {
		if caps.has(c) {
			words = append(words, c)
		}
	}
	if r.depth > 0 || len(r.shallow) > 0 {
		words = append(words, "shallow")
	}
	if r.filter != "" {
		words = append(words, "filter")
	}
	var b bytes.Buffer
	said := " " + strings.Join(words, " ")
	for _, id := range r.want {
		writeLine(&b, "want %s%s\n", id, said)
		said = ""
	}
	for _, id := range r.shallow {
		writeLine(&b, "shallow %s\n", id)
	}
	if r.depth > 0 {
		writeLine(&b, "deepen %d\n", r.depth)
	}
	if r.filter != "" {
		writeLine(&b, "filter %s\n", r.filter)
	}
	b.WriteString("0000")
	for _, id := range r.have {
		writeLine(&b, "have %s\n", id)
	}
	writeLine(&b, "done\n")
	return b.Bytes()
}

// answer reads what comes before the pack and then is the pack.
type answer struct {
	lines   *lines
	rest    []byte   // of the current line
	shallow []string // commits sent without their parents
	whole   []string // commits that are no longer so
	err     error
}

func readAnswer(r io.Reader) (*answer, error) {
	a := &answer{lines: newLines(r)}
	for {
		kind, line, err := a.lines.next()
		if err != nil {
			return nil, cutOff(err)
		}
		if kind != lineData || len(line) == 0 {
			continue
		}
		text := strings.TrimSpace(string(line[:min(len(line), 300)]))
		word, id, _ := strings.Cut(text, " ")
		switch {
		case line[0] <= 3:
			return a, a.band(line)
		case word == "shallow":
			a.shallow = append(a.shallow, id)
		case word == "unshallow":
			a.whole = append(a.whole, id)
		case word == "ACK" || word == "NAK":
		case word == "ERR":
			return nil, refusal(serverError(line))
		case bytes.HasPrefix(line, []byte("PACK")):
			return nil, trouble(ErrUnsupported, "the server does not offer side-band-64k; it is older than git 1.5")
		default:
			return nil, trouble(ErrProtocol, "unexpected %q before the pack", printable(line))
		}
		if len(a.shallow)+len(a.whole) > 10_000 {
			return nil, trouble(ErrProtocol, "the server names too many shallow commits")
		}
	}
}

// band takes one side-band line: 1 is pack data, 2 progress, 3 an error.
func (a *answer) band(line []byte) error {
	switch line[0] {
	case 1:
		a.rest = line[1:]
	case 3:
		return refusal(printable(bytes.TrimSpace(line[1:])))
	}
	return nil
}

// Read returns the pack; io.EOF when the server has said all of it.
func (a *answer) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		kind, line, err := a.lines.next()
		switch {
		case err != nil:
			a.err = cutOff(err)
		case kind != lineData:
			a.err = io.EOF
		case len(line) > 0:
			a.err = a.band(line)
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return because(ErrUnreachable, err, "the server hung up in the middle of its answer; trying again")
	}
	return err
}

// capped reads up to a number of bytes and is an error beyond it.
type capped struct {
	from io.Reader
	left int64
	what string
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, trouble(ErrTooBig, "%s; make it smaller", c.what)
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// wire is a way to talk to git-upload-pack on another machine.
type wire interface {
	// refs lists the refs, once, to the choice.
	refs(ctx context.Context, c *choice) (capabilities, error)
	// upload sends one request and returns the answer's bytes.
	upload(ctx context.Context, request []byte) (io.ReadCloser, error)
}

// A server must send least bytes in each stall; git itself sends a sign of life
// of five bytes every five seconds.
const (
	stall = time.Minute
	least = 48
)

// impatient puts the end off with every least bytes that arrive.
type impatient struct {
	from io.Reader
	end  *time.Timer
	got  int
}

func (i *impatient) Read(p []byte) (int, error) {
	n, err := i.from.Read(p)
	if i.got += n; i.got >= least {
		i.got = 0
		i.end.Reset(stall)
	}
	return n, err
}

// ask sends a request and hands the answer to use.
func ask(ctx context.Context, w wire, caps capabilities, r request, use func(*answer) error) error {
	if !caps.has("side-band-64k") || (r.depth > 0 && !caps.has("shallow")) {
		return trouble(ErrUnsupported, "the server offers neither side-band-64k nor shallow fetches; serve it with git 1.9 or newer")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.AfterFunc(stall, func() { cancel(fmt.Errorf("less than %d bytes came in %s", least, stall)) })
	defer end.Stop()
	body, err := w.upload(ctx, r.encode(caps))
	if err != nil {
		return fmt.Errorf("ask for objects: %w", err)
	}
	defer body.Close()
	a, err := readAnswer(&impatient{from: body, end: end})
	if err == nil {
		err = use(a)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = timedOut(cause)
		}
		return fmt.Errorf("fetch objects: %w", err)
	}
	drain(a)
	return nil
}

func timedOut(cause error) error {
	return because(ErrUnreachable, cause, "the server did not answer in time (%v); trying again", cause)
}
