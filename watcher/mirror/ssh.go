package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshWire runs git-upload-pack on a host, one session per question, over the
// connection that all repositories of that host and key share.
type sshWire struct {
	host *sshHost
	path string
}

// quote makes one word for the POSIX shell that sshd hands the command to, as
// git itself does: quotes and exclamation marks stand outside.
func quote(s string) string {
	return "'" + strings.NewReplacer("'", `'\''`, "!", `'\!'`).Replace(s) + "'"
}

func (w *sshWire) refs(ctx context.Context, c *choice) (capabilities, error) {
	p, err := w.start(ctx)
	if err != nil {
		return capabilities{}, err
	}
	defer p.Close()
	caps, err := readAdvertisement(newLines(&capped{from: p.stdout, left: maxAdvertisement, what: "the list of refs is more than 128 MiB"}), c)
	if err != nil {
		return caps, p.explain(ctx, err)
	}
	_, _ = io.WriteString(p.stdin, "0000") // we want nothing; the program ends
	return caps, nil
}

func (w *sshWire) upload(ctx context.Context, request []byte) (io.ReadCloser, error) {
	p, err := w.start(ctx)
	if err != nil {
		return nil, err
	}
	l := newLines(p.stdout)
	nothing := &choice{want: "refs/heads//"} // no ref can be called so
	if _, err := readAdvertisement(l, nothing); err != nil {
		err = p.explain(ctx, err)
		p.Close()
		return nil, err
	}
	if _, err := io.Copy(p.stdin, bytes.NewReader(request)); err != nil {
		err = p.explain(ctx, err)
		p.Close()
		return nil, err
	}
	p.out = l.from // which has read ahead
	return p, nil
}

func (w *sshWire) start(ctx context.Context) (*process, error) {
	s, release, err := w.host.session(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{session: s, release: release, closed: make(chan struct{}), cut: make(chan struct{})}
	p.stdin, err = s.StdinPipe()
	if err == nil {
		p.stdout, err = s.StdoutPipe()
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("open session: %w", err)
	}
	s.Stderr = &p.stderr
	p.out = p.stdout
	p.stop = context.AfterFunc(ctx, func() {
		defer close(p.cut)
		// A host that is frozen never confirms the close: then the connection goes.
		kill := time.AfterFunc(2*time.Second, w.host.drop)
		defer kill.Stop()
		s.Close()
		<-p.closed
	})
	if err := s.Start("git-upload-pack " + quote(w.path)); err != nil {
		err = p.explain(ctx, err)
		p.Close()
		return nil, err
	}
	return p, nil
}

// process is git-upload-pack on the host.
type process struct {
	session *ssh.Session
	release func()
	stdin   io.Writer
	stdout  io.Reader
	out     io.Reader // what Read reads
	stderr  tail
	stop    func() bool
	closed  chan struct{} // by Close
	cut     chan struct{} // closed when the deadline has been seen to
}

func (p *process) Read(b []byte) (int, error) { return p.out.Read(b) }

// Close ends the session.
func (p *process) Close() error {
	close(p.closed)
	err := p.session.Close()
	if p.stop != nil && !p.stop() {
		<-p.cut
	}
	p.release()
	return err
}

// explain makes sense of an error by what the program wrote to stderr.
func (p *process) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return timedOut(cause)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	// The end of one stream may be seen before the text on the other: only when
	// the program has ended is all of it there. The deadline ends the wait.
	_ = p.session.Wait()
	if said := p.stderr.String(); said != "" {
		return refusal(said)
	}
	if cause := context.Cause(ctx); cause != nil {
		return timedOut(cause)
	}
	return cutOff(err)
}

// tail keeps the first kilobyte written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b[:min(len(b), 1<<10-len(t.buf))]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return printable(bytes.TrimSpace(t.buf))
}
