package fleet_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

func TestACompileThatIsInterruptedLeavesNothing(t *testing.T) {
	tmp, out := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("GOTMPDIR", "")
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	work := func() (found []string) {
		for _, pattern := range []string{tmp + "/*", out + "/.*/*", out + "/*"} {
			names, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, names...)
		}
		return found
	}
	ended := make(chan error, 1)
	go func() {
		ended <- fleet.Compile(ctx, "github.com/fairlead-deploy/fairlead/internal/fleet/hostinit", filepath.Join(out, "hostinit"), "")
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for len(work()) == 0 {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("it ended before it was interrupted: %v", err)
		}
	}
	interrupt()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	if left := work(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
