package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// sendTimeout bounds a message: the manager's buffer may be full.
const sendTimeout = 2 * time.Second

// A Manager is told how the service stands. The zero Manager is none, and
// tells nobody.
type Manager struct {
	socket   string
	watchdog time.Duration
}

// FromEnv returns the manager that started this process, by NOTIFY_SOCKET,
// WATCHDOG_USEC and WATCHDOG_PID (systemd, sd_notify(3) and
// sd_watchdog_enabled(3)). pid is this process's.
func FromEnv(getenv func(string) string, pid int) Manager {
	m := Manager{socket: getenv("NOTIFY_SOCKET")}
	if owner := getenv("WATCHDOG_PID"); owner != "" && owner != strconv.Itoa(pid) {
		return m
	}
	if usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// Interval is how often Alive must be told: a third of what the manager
// allows, so that one may come late; 0 when it does not watch.
func (m Manager) Interval() time.Duration {
	if m.socket == "" {
		return 0
	}
	return m.watchdog / 3
}

// A State is what the manager is told.
type State string

// The states of sd_notify(3).
const (
	Ready     State = "READY=1"     // it has started, or read its configuration anew
	Reloading State = "RELOADING=1" // it reads its configuration anew; Ready ends it
	Stopping  State = "STOPPING=1"  // it comes to rest
	Alive     State = "WATCHDOG=1"  // for the watchdog
)

// Tell passes a state on, with a line for `systemctl status` unless status is
// empty.
func (m Manager) Tell(ctx context.Context, s State, status string) error {
	lines := []string{string(s)}
	if s == Reloading {
		lines = append(lines, monotonic()...)
	}
	if status != "" {
		lines = append(lines, "STATUS="+strings.ReplaceAll(status, "\n", " "))
	}
	return m.send(ctx, strings.Join(lines, "\n"))
}

// send writes one datagram.
func (m Manager) send(ctx context.Context, text string) error {
	if m.socket == "" {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, fmt.Errorf("no room within %s", sendTimeout))
	defer cancel()
	// A leading "@" is the abstract namespace, to Go as to systemd.
	conn, err := (&net.Dialer{}).DialContext(ctx, "unixgram", m.socket)
	if err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetWriteDeadline(deadline); err != nil {
			return fmt.Errorf("notify service manager: %w", err)
		}
	}
	if _, err := conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("notify service manager: %w", err)
	}
	return nil
}
