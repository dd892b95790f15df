package tapped

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a program is about to make.
type Call struct {
	// Nr is its number on this machine, Args are its arguments.
	Nr   uint32
	Args [6]uint64

	pid uint32
}

// File is the path of the file whose descriptor is the first argument, empty
// where there is none.
func (c Call) File() string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.pid, c.Args[0]))
	if err != nil {
		return ""
	}
	return name
}

// Written is what the call, one that writes, would write.
func (c Call) Written() ([]byte, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if err != nil {
		return nil, fmt.Errorf("see what is written: %w", err)
	}
	defer mem.Close()
	b := make([]byte, c.Args[2])
	if _, err := mem.ReadAt(b, int64(c.Args[1])); err != nil {
		return nil, fmt.Errorf("see what is written: %w", err)
	}
	return b, nil
}

// Judge says what becomes of a call: 0 lets it be made, another number is its
// error. It may take its time, and is asked about many calls at once.
type Judge func(Call) unix.Errno

// Tap is where the calls of programs are asked about.
type Tap struct {
	// Skew is added to what the wall clock of the programs says. It needs
	// clock_gettime among the calls.
	Skew atomic.Int64

	path   string
	calls  []uint32
	judge  Judge
	listen *net.UnixListener
	served sync.WaitGroup
	closed atomic.Bool
	mu     sync.Mutex
	errs   []error
}

// Open begins to wait for programs whose calls with these numbers a judge is to
// be asked about. path is where the launcher finds it.
func Open(path string, judge Judge, calls ...uint32) (*Tap, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open tap: %w", err)
	}
	for _, n := range calls {
		if n == unix.SYS_CLOCK_GETTIME { // the first call of a program on amd64, before it looks for a clock without calls
			calls = append(calls, firstCall)
		}
	}
	t := &Tap{path: path, calls: calls, judge: judge, listen: l}
	t.served.Go(t.accept)
	return t, nil
}

// Environ are the variables by which the launcher runs a program on this tap.
func (t *Tap) Environ(program string) []string {
	var numbers []string
	for _, n := range t.calls {
		numbers = append(numbers, strconv.FormatUint(uint64(n), 10))
	}
	return []string{envProgram + "=" + program, envSocket + "=" + t.path, envCalls + "=" + strings.Join(numbers, ",")}
}

// Close ends the tap, after the programs have ended. The error is what went
// wrong with asking.
func (t *Tap) Close() error {
	t.closed.Store(true)
	err := t.listen.Close()
	t.served.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(append(t.errs, err)...)
}

func (t *Tap) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, err)
}

func (t *Tap) accept() {
	for {
		conn, err := t.listen.AcceptUnix()
		if err != nil {
			return // closed
		}
		fd, err := receive(conn)
		if err != nil {
			t.failed(err)
			continue
		}
		t.served.Go(func() { t.serve(fd) })
	}
}

// receive takes the descriptor that a launcher sends.
func receive(conn *net.UnixConn) (fd int, err error) {
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return 0, err
	}
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), control)
	if err != nil {
		return 0, fmt.Errorf("tap a program: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return 0, fmt.Errorf("tap a program: %d messages: %w", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return 0, fmt.Errorf("tap a program: %d descriptors: %w", len(fds), err)
	}
	return fds[0], nil
}

// As the kernel has them (seccomp.h).
type notif struct {
	id        uint64
	pid       uint32
	flags     uint32
	nr        uint32
	arch      uint32
	pointer   uint64
	arguments [6]uint64
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// serve asks about the calls of one program until it has ended.
func (t *Tap) serve(fd int) {
	var judging sync.WaitGroup
	defer func() {
		judging.Wait()
		_ = unix.Close(fd)
	}()
	for !t.closed.Load() {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(ready, 100)
		if n == 0 || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || ready[0].Revents&unix.POLLIN == 0 {
			return // it has ended
		}
		var c notif
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&c))); errno != 0 {
			if errno == unix.ENOENT || errno == unix.EINTR {
				continue // it was killed while it asked
			}
			t.failed(fmt.Errorf("ask about a call: %w", errno))
			return
		}
		judging.Go(func() { t.answer(fd, c) })
	}
}

func (t *Tap) answer(fd int, c notif) {
	r := response{id: c.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
	var err error
	switch c.nr {
	case firstCall:
		err = hideClock(c.pid)
	case unix.SYS_CLOCK_GETTIME:
		if skew := time.Duration(t.Skew.Load()); skew != 0 {
			r.flags = 0
			err = tell(c.pid, c.arguments[1], time.Now().Add(skew))
		}
	default:
		if errno := t.judge(Call{Nr: c.nr, Args: c.arguments, pid: c.pid}); errno != 0 {
			r.flags, r.errno = 0, -int32(errno)
		}
	}
	if err != nil {
		t.failed(err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&r))); errno != 0 && errno != unix.ENOENT {
		t.failed(fmt.Errorf("answer about a call: %w", errno))
	}
}

// tell writes a time where a program wants it.
func tell(pid uint32, at uint64, now time.Time) error {
	b := binary.NativeEndian.AppendUint64(nil, uint64(now.Unix()))
	b = binary.NativeEndian.AppendUint64(b, uint64(now.Nanosecond()))
	return poke(pid, at, b)
}

func poke(pid uint32, at uint64, b []byte) error {
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // killed meanwhile
	}
	if err != nil {
		return fmt.Errorf("tell a program the time: %w", err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt(b, int64(at)); err != nil {
		return fmt.Errorf("tell a program the time: %w", err)
	}
	return nil
}
