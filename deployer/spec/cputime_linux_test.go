package spec_test

import (
	"syscall"
	"time"
)

// spent is the time that this thread has had of a processor: what a file takes,
// whatever else the machine does.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
