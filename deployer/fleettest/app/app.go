// Package app is how the programs of a fake fleet's images behave: when they
// answer and what, how they end, what their hooks do.
//
// Lives here: that description. May not live here: containers, and what an
// engine shows of them (fleettest).
package app

import (
	"slices"
	"time"
)

// App is how an image's program behaves once started.
type App struct {
	// Boot is how long it takes until it answers.
	Boot time.Duration
	// Status is what it answers to its health check; 0 is 200.
	Status int
	// CrashAfter ends it that long after each start; 0 never.
	CrashAfter time.Duration
	// ExitCode and OOM say how it ends.
	ExitCode int
	OOM      bool
	// LateOOM: inspect does not tell that it was OOM, events do.
	LateOOM bool
	// Fails is the share of requests that it answers with an error, 0 to 1.
	Fails float64
	// Assets are the files that its image has below AssetPath.
	Assets map[string]string
	// Rejects are values of its variable KEY with which it answers 503.
	Rejects []string
	// Hooks is how its hooks behave, by their names: "pre-deploy 2".
	Hooks map[string]Hook
	// OnlyOn has the hosts where this happens; elsewhere it works. Empty: all.
	OnlyOn []string
}

// On is how it behaves on a host, where its variable KEY has that value.
func (a App) On(host, key string) App {
	if len(a.OnlyOn) > 0 && !slices.Contains(a.OnlyOn, host) {
		a = App{Boot: min(a.Boot, 2*time.Second)}
	}
	if slices.Contains(a.Rejects, key) {
		a.Status = 503
	}
	return a
}

// Hook is how a hook in an image's container behaves: as a program that ends
// by itself.
type Hook struct {
	Takes    time.Duration // 0: three seconds
	ExitCode int
}
