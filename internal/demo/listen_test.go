package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listensHereOnly checks that what the demo runs on this machine is for this
// machine alone: its processes, and what its containers publish.
func listensHereOnly(t *testing.T, s *stage) {
	t.Helper()
	found := 0
	for _, pid := range []int{os.Getpid(), s.daemon.Pid()} {
		for _, at := range listeners(t, pid) {
			if found++; !at.Addr().IsLoopback() {
				t.Errorf("process %d listens at %s", pid, at)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d listeners were found, at least the registry and the inbox should be", found)
	}
	const ports = `{{range $port, $at := .NetworkSettings.Ports}}{{range $at}}{{$.Name}} {{.HostIp}}{{"\n"}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "docker", "inspect", "--format", ports, "kamal-proxy").Output()
	published := strings.Fields(string(out))
	if err != nil || len(published) == 0 {
		t.Fatalf("the proxy publishes %q, %v", published, err)
	}
	for i := 1; i < len(published); i += 2 {
		if published[i] != "127.0.0.1" {
			t.Errorf("%s listens at %s", published[i-1], published[i])
		}
	}
}

// listeners are the TCP sockets at which a process listens (proc(5)).
func listeners(t *testing.T, pid int) (all []netip.AddrPort) {
	t.Helper()
	var mine []string
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(links) == 0 {
		t.Fatalf("the files of process %d: %d, %v", pid, len(links), err)
	}
	for _, link := range links {
		to, _ := os.Readlink(link) // it may be closed by now
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			mine = append(mine, strings.TrimSuffix(inode, "]"))
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			const listening = "0A"
			if f := strings.Fields(line); len(f) > 9 && f[3] == listening && slices.Contains(mine, f[9]) {
				all = append(all, address(t, f[1]))
			}
		}
	}
	return all
}

// address reads "0100007F:1F90": words of the machine's byte order, which here
// is little endian.
func address(t *testing.T, text string) netip.AddrPort {
	t.Helper()
	host, port, _ := strings.Cut(text, ":")
	ip, err := hex.DecodeString(host)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(ip); i += 4 {
		slices.Reverse(ip[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(ip)
	var number uint16
	if _, err := fmt.Sscanf(port, "%x", &number); err != nil || !ok {
		t.Fatalf("%q: %v", text, err)
	}
	return netip.AddrPortFrom(addr.Unmap(), number)
}
