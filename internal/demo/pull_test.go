package main

import (
	"bytes"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// watchPulls watches what this machine's engine pulls until the returned
// function is called, which fails the test where it is not from a registry of
// this machine, and returns how many pulls there were. Servers of the fleet
// have no way to any other.
func watchPulls(t *testing.T) (count func() int) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "docker", "events", "--since", "0s", "--filter", "type=image", "--filter", "event=pull", "--format", "{{.Actor.ID}}")
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() int {
		t.Helper()
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("the watch of pulls ended before: %v", err)
		}
		_ = cmd.Wait() // it was killed
		pulled := strings.Fields(out.String())
		for _, image := range pulled {
			registry, _, _ := strings.Cut(image, "/")
			at, err := netip.ParseAddrPort(registry)
			if err != nil || !at.Addr().IsLoopback() && !at.Addr().IsPrivate() {
				t.Errorf("%s was pulled", image)
			}
		}
		return len(pulled)
	}
}
