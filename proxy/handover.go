package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A proxy becomes another program without refusing a connection, and without letting one wait: its
// listening sockets live on through three processes.
//
//	this process   asked to upgrade: starts the new program as the interim, which has the sockets too
//	interim        serves beside it, without taking commands
//	this process   takes no more connections, finishes what it has, and executes the new program in its
//	               own place (it is the container's first process, and may not end)
//	new program    serves, and ends the interim, which finishes what it has
//
// Commands are answered by the first and the last of them; in between none is.
const (
	envSockets = "FAIRLEAD_PROXY_SOCKETS" // "http=3,https=4": file descriptors by name
	envReady   = "FAIRLEAD_PROXY_READY"   // of the interim: the file descriptor that it writes to when it serves
	envInterim = "FAIRLEAD_PROXY_INTERIM" // of the last: the interim's process id

	interimTime = 15 * time.Second // that an interim may take until it serves
	// drainForSuccessor is what requests get to end in: the interim has the new ones.
	drainForSuccessor = 10 * time.Second
)

// errHandover is the cause of an end that is none.
var errHandover = errors.New("the proxy hands over to another program")

// heritage is what a process was given by the one before.
type heritage struct {
	sockets map[string]int
	ready   int // 0: it is no interim
	interim int // 0: there is none
}

// inherit reads what was given; a word that cannot be read is an error: the socket would be lost.
func inherit(env environment) (heritage, error) {
	h := heritage{sockets: map[string]int{}}
	number := func(name, text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return 0, fmt.Errorf("take over: %s is %q", name, text)
		}
		return n, nil
	}
	var errs []error
	for part := range strings.SplitSeq(env(envSockets), ",") {
		if name, text, ok := strings.Cut(part, "="); ok {
			fd, err := number(envSockets, text)
			h.sockets[name], errs = fd, append(errs, err)
		}
	}
	for name, into := range map[string]*int{envReady: &h.ready, envInterim: &h.interim} {
		if text := env(name); text != "" {
			n, err := number(name, text)
			*into, errs = n, append(errs, err)
		}
	}
	return h, errors.Join(errs...)
}

// listen takes over the socket of a name, or makes one.
func (h heritage) listen(ctx context.Context, name string, port int) (net.Listener, error) {
	fd, ok := h.sockets[name]
	if !ok {
		return listenTCP(ctx, port)
	}
	file := os.NewFile(uintptr(fd), name)
	l, err := net.FileListener(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("take over the socket of %s: %w", name, err)
	}
	return l, nil
}

// serves tells those who wait for it that this process serves: whoever started it as the interim, and
// the interim that it takes over from, whose end it waits for.
func (h heritage) serves() error {
	if h.ready != 0 {
		ready := os.NewFile(uintptr(h.ready), "ready")
		_, err := ready.Write([]byte("1"))
		return errors.Join(err, ready.Close())
	}
	if h.interim == 0 {
		return nil
	}
	if err := syscall.Kill(h.interim, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the interim: %w", err)
	}
	for {
		_, err := syscall.Wait4(h.interim, nil, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// successor makes the program at this one's path serve in its place.
type successor struct {
	env     []string
	sockets map[string]int // for programs that this one executes: without close-on-exec
	interim *exec.Cmd
}

// bequeath duplicates the sockets. It does not use (*net.TCPListener).File and Fd, after which the very
// socket would block in this process.
func bequeath(public map[string]net.Listener) (*successor, error) {
	s := &successor{env: own(os.Environ()), sockets: map[string]int{}}
	for name, l := range public {
		socket, ok := l.(syscall.Conn)
		if !ok {
			return nil, errors.Join(fmt.Errorf("%s is no socket", name), s.close())
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		var fd int
		var inner error
		// Above those that os/exec numbers itself.
		if err = raw.Control(func(from uintptr) { fd, inner = unix.FcntlInt(from, unix.F_DUPFD, 10) }); err == nil {
			err = inner
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("duplicate the socket of %s: %w", name, err), s.close())
		}
		s.sockets[name] = fd
	}
	return s, nil
}

func (s *successor) close() error {
	var errs []error
	for _, fd := range s.sockets {
		errs = append(errs, unix.Close(fd))
	}
	return errors.Join(errs...)
}

// environ tells the next program of the sockets.
func (s *successor) environ(more string, number int) []string {
	var words []string
	for name, fd := range s.sockets {
		words = append(words, name+"="+strconv.Itoa(fd))
	}
	return slices.Concat(s.env, []string{envSockets + "=" + strings.Join(words, ","), more + "=" + strconv.Itoa(number)})
}

// prepare starts the interim and returns when it serves. Until then, and after an error, nothing has
// changed.
func (s *successor) prepare(ctx context.Context) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = read.Close() }()
	cmd := &exec.Cmd{Path: path, Args: os.Args, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{write}}
	cmd.Env = s.environ(envReady, 3) // the first of ExtraFiles
	err = errors.Join(cmd.Start(), write.Close())
	if err != nil {
		return fmt.Errorf("start the new program: %w", err)
	}
	_ = read.SetReadDeadline(time.Now().Add(interimTime))
	stop := context.AfterFunc(ctx, func() { _ = read.SetReadDeadline(time.Now()) })
	defer stop()
	if _, err := read.Read(make([]byte, 1)); err != nil {
		_ = cmd.Process.Kill() // it may have ended already, which Wait tells
		return fmt.Errorf("the new program does not serve; its last words are in the proxy's log: %w", errors.Join(err, cmd.Wait()))
	}
	s.interim = cmd
	return nil
}

// execute becomes the new program. It returns only when it could not.
func (s *successor) execute() error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	return fmt.Errorf("execute %s: %w", path, syscall.Exec(path, os.Args, s.environ(envInterim, s.interim.Process.Pid)))
}

// abandon ends the interim.
func (s *successor) abandon() error {
	return errors.Join(s.interim.Process.Signal(syscall.SIGTERM), s.interim.Wait())
}

// own is this process's environment without what only a handover says.
func own(environ []string) []string {
	var rest []string
	for _, e := range environ {
		if name, _, _ := strings.Cut(e, "="); name != envSockets && name != envReady && name != envInterim {
			rest = append(rest, e)
		}
	}
	return rest
}
