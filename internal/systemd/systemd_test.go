package systemd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// listen is a manager's socket; it returns what arrives, one text per datagram.
func listen(t *testing.T) (socket string, next func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return socket, func() string {
		t.Helper()
		buffer := make([]byte, 4096)
		if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
}

func environment(vars ...string) func(string) string {
	return func(name string) string {
		for _, v := range vars {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func TestStatesArriveAsDatagrams(t *testing.T) {
	socket, next := listen(t)
	m := FromEnv(environment("NOTIFY_SOCKET="+socket), 1)
	for _, test := range []struct {
		state        State
		status, want string
	}{
		{Ready, "watching\n2 repositories", "READY=1\nSTATUS=watching 2 repositories"},
		{Stopping, "", "STOPPING=1"},
		{Alive, "", "WATCHDOG=1"},
	} {
		if err := m.Tell(t.Context(), test.state, test.status); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != test.want {
			t.Errorf("%s arrived as %q, want %q", test.state, got, test.want)
		}
	}
	if err := m.Tell(t.Context(), Reloading, ""); err != nil {
		t.Fatal(err)
	}
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("reloading arrived as %q", got)
	}
}

func TestWithoutAManagerNobodyIsTold(t *testing.T) {
	m := FromEnv(environment("WATCHDOG_USEC=1000000"), 1)
	if err := m.Tell(t.Context(), Ready, "x"); err != nil || m.Interval() != 0 {
		t.Fatalf("Tell %v, Interval %s", err, m.Interval())
	}
}

func TestAManagerThatIsGoneIsAnError(t *testing.T) {
	m := FromEnv(environment("NOTIFY_SOCKET="+filepath.Join(t.TempDir(), "gone")), 1)
	if err := m.Tell(t.Context(), Ready, ""); err == nil {
		t.Fatal("no error")
	}
}

func TestTheWatchdogIsForOneProcess(t *testing.T) {
	for _, test := range []struct {
		pid, usec string
		want      time.Duration
	}{
		{"", "60000000", 20 * time.Second},
		{"7", "60000000", 20 * time.Second},
		{"8", "60000000", 0},
		{"7", "soon", 0},
		{"7", "-1", 0},
	} {
		m := FromEnv(environment("NOTIFY_SOCKET=/x", "WATCHDOG_PID="+test.pid, "WATCHDOG_USEC="+test.usec), 7)
		if got := m.Interval(); got != test.want {
			t.Errorf("pid %q usec %q: %s, want %s", test.pid, test.usec, got, test.want)
		}
	}
}

// TestSystemdUnderstandsTheUnit needs the systemd package; `fairlead install`
// makes no sense without it, its absence is no reason to trust the unit.
func TestSystemdUnderstandsTheUnit(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "a program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(dir, UnitName)
	text := Unit{Program: program, User: "daemon", Config: "/etc/fair 100%/fairlead.yml", DataDir: dir}.String()
	if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("systemd-analyze: %v\n%s\nthe unit:\n%s", err, out, text)
	}
}

func TestTheUnitIsWellSandboxed(t *testing.T) {
	text := Unit{Program: "/usr/local/bin/fairlead", User: "fairlead", Config: "/etc/fairlead/fairlead.yml", DataDir: "/var/lib/fairlead"}.String()
	for _, line := range []string{
		"Type=notify", "WatchdogSec=60s", "Restart=always", "NoNewPrivileges=yes", "ProtectSystem=strict",
		"ReadWritePaths=/var/lib/fairlead", "PrivateTmp=yes", "CapabilityBoundingSet=", "RuntimeDirectory=fairlead",
		"ExecStart=/usr/local/bin/fairlead watch --config /etc/fairlead/fairlead.yml", "User=fairlead",
		"SystemCallFilter=@system-service", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}
