package systemd

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// monotonic is the assignment that Type=notify-reload wants beside RELOADING=1
// (systemd, sd_notify(3)).
func monotonic() []string {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil
	}
	return []string{"MONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10)}
}
