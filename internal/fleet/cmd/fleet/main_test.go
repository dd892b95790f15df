package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestAVerbWithoutAFleetSaysHowToStartOne(t *testing.T) {
	t.Setenv("FLEET_DIR", filepath.Join(t.TempDir(), "none"))
	for _, verb := range []string{"down", "status", "cut", "nonsense"} {
		err := run(t.Context(), []string{verb, "h1"})
		if err == nil || !strings.Contains(err.Error(), "fleet up") {
			t.Errorf("%s: %v, want a hint", verb, err)
		}
	}
}

func TestUpWantsANumber(t *testing.T) {
	if err := run(t.Context(), []string{"up", "many"}); !errors.Is(err, errUsage) {
		t.Errorf("got %v, want wrong usage", err)
	}
}

// TestEveryVerbDoesWhatItsHelpSays drives one fleet through the command line
// alone.
func TestEveryVerbDoesWhatItsHelpSays(t *testing.T) {
	t.Setenv("FLEET_DIR", filepath.Join(t.TempDir(), "fleet"))
	do := func(words string) {
		t.Helper()
		if err := run(t.Context(), strings.Fields(words)); err != nil {
			t.Errorf("fleet %s: %v", words, err)
		}
	}
	do("up 1")
	for _, words := range []string{
		"status", "add", "app v1 HEALTH=fail", "repo shop", "ssh h1 id -un", "docker h2 ps",
		"cut h1", "heal h1", "lossy h1 0.1", "heal h1", "unplug h2", "plug h2", "pause registry", "resume registry",
		"kill git", "boot git", "reboot h2", "stop-engine h1", "start-engine h1", "freeze-engine h1", "thaw-engine h1", "sshcount h1",
	} {
		do(words)
	}
	for _, words := range []string{"up 1", "cut", "cut h9", "lossy h1 2", "docker registry ps", "ssh h1 false", "push one", "dance h1"} {
		if err := run(t.Context(), strings.Fields(words)); err == nil {
			t.Errorf("fleet %s: no error", words)
		}
	}
	do("down")
}
