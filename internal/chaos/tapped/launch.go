// Package tapped lets a test decide what becomes of some system calls of a
// program that it runs: that a write fails as on a bad disk, that an fsync
// takes its time, that the clock says something else. The program is the built
// one, and knows nothing of it (seccomp_unotify(2)).
//
// Lives here: starting a program with a tap, and asking a judge about its
// calls. May not live here: which fault that makes (internal/chaos).
package tapped

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the launcher is told by its environment.
const (
	envProgram = "FAIRLEAD_TAPPED_PROGRAM"
	envSocket  = "FAIRLEAD_TAPPED_SOCKET"
	envCalls   = "FAIRLEAD_TAPPED_CALLS"
)

// Launch makes this process the program that a Tap's Environ names, with its
// own arguments. It returns at once where the environment names none. A test's
// main calls it first: the test's own binary is the launcher.
func Launch() error {
	program := os.Getenv(envProgram)
	if program == "" {
		return nil
	}
	runtime.LockOSThread() // the filter belongs to the thread, which becomes the program
	var calls []uint32
	for _, text := range strings.Split(os.Getenv(envCalls), ",") {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("tap %s: %w", program, err)
		}
		calls = append(calls, uint32(n))
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: os.Getenv(envSocket), Net: "unix"})
	if err != nil {
		return fmt.Errorf("tap %s: %w", program, err)
	}
	listener, err := filter(calls)
	if err != nil {
		return fmt.Errorf("tap %s: %w", program, err)
	}
	if _, _, err := conn.WriteMsgUnix([]byte{1}, unix.UnixRights(listener), nil); err != nil {
		return fmt.Errorf("tap %s: %w", program, err)
	}
	env := os.Environ()
	for i, v := range env {
		if strings.HasPrefix(v, "FAIRLEAD_TAPPED_") {
			env[i] = "_=" // no secret, but no business of the program's
		}
	}
	return fmt.Errorf("run %s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), env))
}

// filter has this thread, and what it becomes, ask before these calls. Of
// clock_gettime only the wall clock's is asked for.
func filter(calls []uint32) (listener int, err error) {
	const nr, clock = 0, 16 // offsets in struct seccomp_data: the number, the first argument
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	is := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	answer := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	program := []unix.SockFilter{load(nr)}
	for _, n := range calls {
		if n == unix.SYS_CLOCK_GETTIME {
			program = append(program, is(n, 0, 4), load(clock), is(unix.CLOCK_REALTIME, 0, 1),
				answer(unix.SECCOMP_RET_USER_NOTIF), answer(unix.SECCOMP_RET_ALLOW))
			continue
		}
		program = append(program, is(n, 0, 1), answer(unix.SECCOMP_RET_USER_NOTIF))
	}
	program = append(program, answer(unix.SECCOMP_RET_ALLOW))
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("set no_new_privs: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return 0, errors.Join(errors.New("install the seccomp filter"), errno)
	}
	return int(fd), nil
}
