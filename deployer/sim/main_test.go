package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// Worlds are small and short-lived: to collect them seldom halves the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
