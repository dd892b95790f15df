package mirror

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// The kinds of a pkt-line (git's Documentation/gitprotocol-common).
type lineKind int

const (
	lineData  lineKind = iota
	lineFlush          // 0000
	lineDelim          // 0001, protocol v2
	lineEnd            // 0002, protocol v2
)

// maxLine is the longest payload that a pkt-line can have.
const maxLine = 65516

// lines reads pkt-lines. A payload is valid until the next call.
type lines struct {
	from *bufio.Reader
	buf  []byte
	head [4]byte
}

func newLines(r io.Reader) *lines { return &lines{from: bufio.NewReaderSize(r, 8<<10)} }

func (l *lines) next() (lineKind, []byte, error) {
	if _, err := io.ReadFull(l.from, l.head[:]); err != nil {
		return 0, nil, err
	}
	n := 0
	for _, c := range l.head {
		d := hexDigit(c)
		if d < 0 {
			return 0, nil, trouble(ErrProtocol, "this is not Git's protocol: line length %q; check the address", printable(l.head[:]))
		}
		n = n<<4 | d
	}
	switch {
	case n == 3:
		return 0, nil, trouble(ErrProtocol, "line length 3 in the server's answer")
	case n < 4:
		return lineKind(n + 1), nil, nil
	case n-4 > maxLine:
		return 0, nil, trouble(ErrProtocol, "line of %d bytes in the server's answer", n)
	}
	n -= 4
	if cap(l.buf) < n {
		l.buf = make([]byte, max(n, 1<<10))
	}
	l.buf = l.buf[:n]
	if _, err := io.ReadFull(l.from, l.buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return lineData, l.buf, nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// writeLine appends one pkt-line.
func writeLine(b *bytes.Buffer, format string, args ...any) {
	payload := fmt.Sprintf(format, args...)
	fmt.Fprintf(b, "%04x%s", len(payload)+4, payload)
}

// serverError returns the text of an "ERR …" line, or "".
func serverError(line []byte) string {
	text, found := bytes.CutPrefix(line, []byte("ERR "))
	if !found {
		return ""
	}
	return printable(bytes.TrimSpace(text))
}
