package files

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
)

const opTimeout = 30 * time.Second // of one call

// SFTP is a door through an SSH server's sftp subsystem. It keeps one session
// while it is used and opens another when that is lost.
type SFTP struct {
	host   string
	open   func(ctx context.Context) (io.ReadWriteCloser, error)
	unique func() string
	wg     sync.WaitGroup

	mu      sync.Mutex
	client  *sftp.Client
	idle    time.Duration // 0: sessions stay
	users   int           // calls under way
	rest    *time.Timer   // closes the session when nobody uses it
	opening sync.Mutex
}

// NewSFTP makes the door. open starts the subsystem; unique makes a word that
// was never used before, for the names of temporary files.
func NewSFTP(host string, open func(ctx context.Context) (io.ReadWriteCloser, error), unique func() string) *SFTP {
	return &SFTP{host: host, open: open, unique: unique}
}

// EndIdle ends the session when it was not used for a while. Call it before
// the first use.
func (s *SFTP) EndIdle(after time.Duration) { s.idle = after }

// Door returns the door's methods.
func (s *SFTP) Door() Door { return Door{s, s, s} }

// Close ends the session and waits for calls under way.
func (s *SFTP) Close() error {
	s.mu.Lock()
	client := s.client
	s.client = nil
	if s.rest != nil {
		s.rest.Stop()
	}
	s.mu.Unlock()
	if client != nil {
		_ = client.Close()
	}
	s.wg.Wait()
	return nil
}

// use counts a call; done is its end.
func (s *SFTP) use() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users > 0 || s.idle == 0 {
			return
		}
		if s.rest == nil {
			s.rest = time.AfterFunc(s.idle, s.end)
		} else {
			s.rest.Reset(s.idle)
		}
	}
}

// end ends the session unless a call is under way.
func (s *SFTP) end() {
	s.mu.Lock()
	client := s.client
	if s.users > 0 || client == nil {
		s.mu.Unlock()
		return
	}
	s.client = nil
	s.wg.Add(1) // under the lock, so that Close waits for it or has taken the client
	s.mu.Unlock()
	defer s.wg.Done()
	_ = client.Close()
}

func (s *SFTP) current(ctx context.Context) (*sftp.Client, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	client := s.client
	s.mu.Unlock()
	if client != nil {
		return client, nil
	}
	conn, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	client, err = sftp.NewClientPipe(conn, conn)
	if !stop() {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start sftp: %w", err), conn.Close())
	}
	s.mu.Lock()
	s.client = client
	s.mu.Unlock()
	s.wg.Go(func() {
		_ = client.Wait()
		_ = conn.Close()
		s.forget(client)
	})
	return client, nil
}

// sftpDo runs one operation. The sftp package knows no contexts: when ctx ends
// first, the operation is left to end with its connection, whose keepalive
// bounds it.
func sftpDo[T any](ctx context.Context, s *SFTP, op, name string, do func(*sftp.Client) (T, error)) (T, error) {
	var none T
	if err := valid(op, name); err != nil {
		return none, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, opTimeout, fmt.Errorf("no answer from sftp within %s", opTimeout))
	defer cancel()
	type answer struct {
		value T
		err   error
		fault *abreast.Fault
	}
	answers := make(chan answer, 1)
	s.wg.Go(func() {
		defer s.use()()
		var a answer
		a.fault = abreast.Caught(func() {
			a.value, a.err = once(ctx, s, do)
			if lost(a.err) && op != "make folder" && op != "rename" && op != "create" {
				// The session ended since it was last used. Only what may happen
				// twice is tried twice.
				a.value, a.err = once(ctx, s, do)
			}
		})
		answers <- a
	})
	var a answer
	select {
	case a = <-answers:
		if a.fault != nil {
			panic(a.fault)
		}
	case <-ctx.Done():
		a.err = context.Cause(ctx)
	}
	if a.err != nil {
		return none, fmt.Errorf("%s %s on %s: %w", op, name, s.host, a.err)
	}
	return a.value, nil
}

func once[T any](ctx context.Context, s *SFTP, do func(*sftp.Client) (T, error)) (T, error) {
	client, err := s.current(ctx)
	if err != nil {
		var none T
		return none, err
	}
	value, err := do(client)
	if lost(err) {
		s.forget(client)
	}
	return value, err
}

func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, sftp.ErrSSHFxConnectionLost)
}

func (s *SFTP) forget(client *sftp.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == client {
		s.client = nil
	}
}

// Read implements Reader.
func (s *SFTP) Read(ctx context.Context, name string) ([]byte, error) {
	return sftpDo(ctx, s, "read", name, func(c *sftp.Client) ([]byte, error) {
		f, err := c.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return readBounded(f)
	})
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxRead+1))
	if err == nil && len(b) > MaxRead {
		return nil, ErrTooLarge
	}
	return b, err
}

// Stat implements Reader.
func (s *SFTP) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	return sftpDo(ctx, s, "stat", name, func(c *sftp.Client) (fs.FileInfo, error) { return c.Lstat(name) })
}

// ReadDir implements Reader.
func (s *SFTP) ReadDir(ctx context.Context, name string) ([]fs.FileInfo, error) {
	return sftpDo(ctx, s, "list", name, func(c *sftp.Client) ([]fs.FileInfo, error) {
		all, err := c.ReadDir(name)
		slices.SortFunc(all, func(a, b fs.FileInfo) int { return cmp.Compare(a.Name(), b.Name()) })
		return all, err
	})
}

// Mkdir implements Maker.
func (s *SFTP) Mkdir(ctx context.Context, name string, mode fs.FileMode) error {
	_, err := sftpDo(ctx, s, "make folder", name, func(c *sftp.Client) (struct{}, error) {
		err := c.Mkdir(name)
		if err != nil {
			// The protocol says only "failure" (draft-ietf-secsh-filexfer-02).
			if _, there := c.Lstat(name); there == nil {
				return struct{}{}, fs.ErrExist
			}
			return struct{}{}, err
		}
		if mode == 0 {
			return struct{}{}, nil
		}
		return struct{}{}, c.Chmod(name, mode)
	})
	return err
}

// MkdirAll implements Maker.
func (s *SFTP) MkdirAll(ctx context.Context, name string, mode fs.FileMode) error {
	_, err := sftpDo(ctx, s, "make folder", name, func(c *sftp.Client) (struct{}, error) { return struct{}{}, mkdirAll(c, name, mode) })
	return err
}

func mkdirAll(c *sftp.Client, name string, mode fs.FileMode) error {
	if info, err := c.Stat(name); err == nil {
		if !info.IsDir() {
			return fs.ErrExist
		}
		return nil
	}
	if parent := path.Dir(name); parent != "." {
		if err := mkdirAll(c, parent, mode); err != nil {
			return err
		}
	}
	if err := c.Mkdir(name); err != nil {
		if info, there := c.Stat(name); there == nil && info.IsDir() {
			return nil // somebody else made it
		}
		return err
	}
	return c.Chmod(name, mode)
}

// Create implements Maker. Nobody waits for the file to be closed.
func (s *SFTP) Create(ctx context.Context, name string, content []byte) error {
	_, err := sftpDo(ctx, s, "create", name, func(c *sftp.Client) (struct{}, error) {
		f, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			return struct{}{}, err
		}
		_, err = f.Write(content)
		s.wg.Go(func() { _ = f.Close() })
		return struct{}{}, err
	})
	return err
}

// Write implements Maker.
func (s *SFTP) Write(ctx context.Context, name string, content []byte, mode fs.FileMode) error {
	_, err := sftpDo(ctx, s, "write", name, func(c *sftp.Client) (struct{}, error) {
		temporary := path.Join(path.Dir(name), "."+path.Base(name)+"."+s.unique())
		err := put(c, temporary, content, mode)
		if err == nil {
			err = c.PosixRename(temporary, name)
		}
		if err != nil {
			return struct{}{}, errors.Join(err, ignoreMissing(c.Remove(temporary)))
		}
		return struct{}{}, nil
	})
	return err
}

func put(c *sftp.Client, name string, content []byte, mode fs.FileMode) error {
	f, err := c.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	if err = fill(f, content, mode); err == nil {
		if err = f.Sync(); unsupported(err) {
			err = nil
		}
	}
	return errors.Join(err, f.Close())
}

// fill writes a new file. What not everybody may read waits until its mode is
// set.
func fill(f *sftp.File, content []byte, mode fs.FileMode) error {
	write := func() error {
		_, err := f.ReadFrom(bytes.NewReader(content))
		return err
	}
	if mode&0o004 == 0 {
		if err := f.Chmod(mode); err != nil {
			return err
		}
		return write()
	}
	var wg abreast.Group
	var moded error
	wg.Go(func() { moded = f.Chmod(mode) })
	err := write()
	wg.Wait()
	return errors.Join(moded, err)
}

func unsupported(err error) bool {
	status, ok := errors.AsType[*sftp.StatusError](err)
	return ok && status.FxCode() == sftp.ErrSSHFxOpUnsupported
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename implements Mover.
func (s *SFTP) Rename(ctx context.Context, from, to string) error {
	if err := valid("rename", to); err != nil {
		return err
	}
	_, err := sftpDo(ctx, s, "rename", from, func(c *sftp.Client) (struct{}, error) {
		// OpenSSH's server would put a folder in the place of an empty one.
		if there, err := c.Lstat(to); err == nil && there.IsDir() {
			if _, err := c.Lstat(from); err != nil {
				return struct{}{}, err
			}
			return struct{}{}, fs.ErrExist
		}
		err := c.PosixRename(from, to)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			if _, there := c.Lstat(to); there == nil {
				err = errors.Join(fs.ErrExist, err)
			}
		}
		return struct{}{}, err
	})
	return err
}

// RemoveAll implements Mover.
func (s *SFTP) RemoveAll(ctx context.Context, name string) error {
	_, err := sftpDo(ctx, s, "remove", name, func(c *sftp.Client) (struct{}, error) { return struct{}{}, removeAll(c, name) })
	return err
}

// removeAll tries what most often does it, both at once: a file, or an empty
// folder, is gone after one round trip.
func removeAll(c *sftp.Client, name string) error {
	var wg abreast.Group
	var file, folder error
	wg.Go(func() { file = c.Remove(name) })
	wg.Go(func() { folder = c.RemoveDirectory(name) })
	wg.Wait()
	if file == nil || folder == nil || errors.Is(file, fs.ErrNotExist) {
		return nil
	}
	info, err := c.Lstat(name)
	if err != nil {
		return ignoreMissing(err)
	}
	if !info.IsDir() {
		return ignoreMissing(file)
	}
	inside, err := c.ReadDir(name)
	if err != nil {
		return ignoreMissing(err)
	}
	for _, i := range inside {
		if err := removeAll(c, path.Join(name, i.Name())); err != nil {
			return err
		}
	}
	return ignoreMissing(c.RemoveDirectory(name))
}
