package tapped

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstCall is the first system call of a Go program here (arch_prctl, in
// runtime·settls), made before it reads its auxiliary vector.
const firstCall = unix.SYS_ARCH_PRCTL

// hideClock takes the kernel's code for reading clocks without a call (the
// vDSO) out of a program's auxiliary vector, so that it asks by calls.
func hideClock(pid uint32) error {
	const sysinfo, ignore = 33, 1 // AT_SYSINFO_EHDR, AT_IGNORE
	vector, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return fmt.Errorf("hide the clock: %w", err)
	}
	for at := 0; at+16 <= len(vector); at += 16 {
		if binary.NativeEndian.Uint64(vector[at:]) != sysinfo {
			continue
		}
		stack, from, err := stackOf(pid)
		if err != nil {
			return err
		}
		if i := bytes.LastIndex(stack, vector[at:at+16]); i >= 0 {
			return poke(pid, from+uint64(i), binary.NativeEndian.AppendUint64(nil, ignore))
		}
	}
	return errors.New("hide the clock: the program has no auxiliary vector to change")
}

func stackOf(pid uint32) (content []byte, from uint64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, 0, fmt.Errorf("find the stack: %w", err)
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), "[stack]") {
			continue
		}
		first, rest, _ := strings.Cut(line, "-")
		last, _, _ := strings.Cut(rest, " ")
		begin, err := strconv.ParseUint(first, 16, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("find the stack: %w", err)
		}
		end, err := strconv.ParseUint(last, 16, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("find the stack: %w", err)
		}
		mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err != nil {
			return nil, 0, fmt.Errorf("read the stack: %w", err)
		}
		defer mem.Close()
		content = make([]byte, end-begin)
		_, err = mem.ReadAt(content, int64(begin))
		return content, begin, err
	}
	return nil, 0, errors.New("find the stack: there is none")
}
