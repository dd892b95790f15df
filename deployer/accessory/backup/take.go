package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	spec "github.com/fairlead-deploy/fairlead/deployer/spec/backup"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Engine runs commands in a container and reads its files.
type Engine interface {
	Attend(ctx context.Context, id string, argv, env []string, st docker.Streams) (code int, err error)
	CopyFrom(ctx context.Context, id, path string, read func(tar io.Reader) error) error
}

// Of is what is dumped, or gets a dump back: a running container.
type Of struct {
	Lane      release.Lane
	Accessory string
	Engine    Engine
	Container string // id
	How       spec.Backup
}

// inside is where a command may write its dump, where it does not print it.
const inside = "/backups"

// Rate bounds how many bytes of a dump travel per second: an accessory serves
// while it is dumped, over the connection that rollouts use.
const Rate = 64 << 20

// CommandError says that a command in a container did not end well.
type CommandError struct {
	Code int
	Said string // the end of its standard error
}

func (e *CommandError) Error() string {
	text := fmt.Sprintf("the command ended with status %d", e.Code)
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Take dumps an accessory and keeps the dump. What the command prints is the
// dump; where it prints nothing, the newest file that it has left in /backups.
func (f Folder) Take(ctx context.Context, of Of, now func() time.Time) (dump operation.Dump, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, of.How.Timeout, fmt.Errorf("the backup took over %s; `timeout:` of its backup allows more", of.How.Timeout))
	defer cancel()
	d, err := f.begin(of.Lane, of.Accessory)
	if err != nil {
		return dump, err
	}
	began := now()
	if strings.Contains(of.How.Cmd, inside+"/") { // its author means a folder that may not be there; errors show below
		_, _ = of.Engine.Attend(ctx, of.Container, []string{"mkdir", "-p", inside}, nil, docker.Streams{Out: io.Discard, Err: io.Discard})
	}
	if err := whole(ctx, of, d, mark(of, began)); err != nil {
		return dump, errors.Join(fmt.Errorf("back up %s: %w", of.Accessory, err), d.drop())
	}
	if d.size == 0 {
		if err := fetch(ctx, of, d, began); err != nil {
			return dump, errors.Join(fmt.Errorf("back up %s: %w", of.Accessory, err), d.drop())
		}
	}
	return f.keep(of.Lane, of.Accessory, d, began, of.How.Keep)
}

// ErrCut: a connection ended before all of a dump had come, and nothing else
// shows that: its command may have ended well.
var ErrCut = errors.New("the connection was cut before the end of the dump")

// around runs the command in a shell of its own, which it may leave as it likes,
// and prints the mark behind what that printed.
const around = `sh -c "$0"; code=$?; printf %s "$1"; exit $code`

// mark is what no dump ends with.
func mark(of Of, began time.Time) string {
	sum := sha256.Sum256([]byte(of.Container + began.String()))
	return "\nfairlead: end of dump " + hex.EncodeToString(sum[:12]) + "\n"
}

// whole runs the command of a dump and takes all that it prints.
func whole(ctx context.Context, of Of, d *draft, mark string) error {
	err := run(ctx, of, []string{"sh", "-c", around, of.How.Cmd, mark}, nil, &slow{to: d, begin: time.Now()})
	if err != nil {
		return err
	}
	ended, err := d.cut(mark)
	if err == nil && !ended {
		err = ErrCut
	}
	return err
}

// run runs a command inside the container.
func run(ctx context.Context, of Of, argv []string, in io.Reader, out io.Writer) error {
	var said tail
	st := docker.Streams{In: in, Out: out, Err: &said}
	code, err := of.Engine.Attend(ctx, of.Container, argv, nil, st)
	if err != nil {
		return err
	}
	if code != 0 {
		return &CommandError{Code: code, Said: said.String()}
	}
	return nil
}

// errNothing: the command said nothing and left nothing.
var errNothing = errors.New("the command printed nothing, and left no new file in " + inside + "; let it print the dump")

// skew is how much earlier than this machine a container's clock may be.
const skew = 2 * time.Minute

// fetch takes the newest file that the command left in the container, and
// removes it there: the dump is here now.
func fetch(ctx context.Context, of Of, to *draft, began time.Time) error {
	newest, at := "", began.Add(-skew)
	look := func(each func(h *tar.Header, r io.Reader) error) error {
		err := of.Engine.CopyFrom(ctx, of.Container, inside, func(in io.Reader) error {
			for r := tar.NewReader(in); ; {
				h, err := r.Next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err == nil && h.Typeflag == tar.TypeReg {
					err = each(h, r)
				}
				if err != nil {
					return err
				}
			}
		})
		if errors.Is(err, docker.ErrNotFound) {
			return errNothing
		}
		return err
	}
	err := look(func(h *tar.Header, _ io.Reader) error {
		if h.Size > 0 && h.ModTime.After(at) {
			newest, at = h.Name, h.ModTime
		}
		return nil
	})
	if err != nil {
		return err
	}
	if newest == "" {
		return errNothing
	}
	if err := look(func(h *tar.Header, r io.Reader) error {
		if h.Name != newest {
			return nil
		}
		_, err := io.Copy(&slow{to: to, begin: time.Now()}, r)
		return err
	}); err != nil {
		return err
	}
	// Left behind, it would fill the container; it is only tidied up.
	_, _ = of.Engine.Attend(ctx, of.Container, []string{"rm", "-f", path.Join("/", newest)}, nil, docker.Streams{Out: io.Discard, Err: io.Discard})
	return nil
}

// Restore puts a dump back: the command reads it. out gets what that prints. No
// dump is taken meanwhile: it would be of half the data.
func (f Folder) Restore(ctx context.Context, of Of, dump operation.Dump, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, of.How.Timeout, fmt.Errorf("the restore took over %s; `timeout:` of its backup allows more", of.How.Timeout))
	defer cancel()
	file, err := os.Open(dump.Path)
	if err != nil {
		return fmt.Errorf("restore %s: %w", of.Accessory, err)
	}
	defer file.Close()
	alone, err := f.begin(of.Lane, of.Accessory)
	if err != nil {
		return fmt.Errorf("restore %s: %w", of.Accessory, err)
	}
	defer func() { err = errors.Join(err, alone.drop()) }()
	if err := run(ctx, of, []string{"sh", "-c", of.How.Restore}, unclosed{file}, out); err != nil {
		return fmt.Errorf("restore %s of %s: %w; some of it may be there already: restore it again, and whole, before the data is used", of.Accessory, dump.Name, err)
	}
	return nil
}

// unclosed is read by one who must not close it.
type unclosed struct{ io.Reader }

// slow passes on no more than Rate, from its beginning on.
type slow struct {
	to    io.Writer
	begin time.Time
	sent  int64
}

// Write passes bytes on, and waits where it is too early.
func (s *slow) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	s.sent += int64(n)
	if early := time.Duration(float64(s.sent)/Rate*float64(time.Second)) - time.Since(s.begin); early > 0 {
		time.Sleep(early) // at most b's share of a second
	}
	return n, err
}

// tail keeps the last of what is written.
type tail struct{ buf []byte }

const maxSaid = 2 << 10 // bytes

// Write keeps the last bytes.
func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - maxSaid; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f && r != 0xfffd {
			return r
		}
		return -1
	}, string(t.buf)))
}
