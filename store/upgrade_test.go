package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/store"
)

// upgraderEnv makes the test binary a newer Fairlead that is killed while it
// upgrades the database in that folder.
const upgraderEnv = "FAIRLEAD_STORE_TEST_UPGRADER"

// later is what the newer Fairlead's schema has more: each step moves all that
// the one before made, which takes some milliseconds.
func later() []string {
	steps := []string{"CREATE TABLE moved1 (x TEXT) STRICT; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 4000) " +
		"INSERT INTO moved1 SELECT printf('row %d of the upgrade', i) FROM n"}
	for i := 2; i <= 8; i++ {
		steps = append(steps, fmt.Sprintf("CREATE TABLE moved%d (x TEXT) STRICT; INSERT INTO moved%d SELECT x FROM moved%d; DROP TABLE moved%d", i, i, i-1, i-1))
	}
	return steps
}

func upgrade(dir string) error {
	s, err := store.OpenTo(context.Background(), dir, later()...)
	if err != nil {
		return err
	}
	return s.Close()
}

// TestAnUpgradeThatIsKilledHalfWayGoesOnOrBack kills it at random moments.
// After each, the former binary either goes on as before or says what to do,
// and that works; the newer one goes on.
func TestAnUpgradeThatIsKilledHalfWayGoesOnOrBack(t *testing.T) {
	half, went := 0, 0
	for n := 0; half < 12; n++ {
		if n > 400 {
			t.Fatalf("only %d of %d kills hit an upgrade half way", half, n)
		}
		dir, _ := filled(t)
		want := everything(t, dir)
		if killed(t, dir, time.Duration(rand.IntN(120))*time.Millisecond) {
			half++
		}
		s, err := store.Open(t.Context(), dir, store.Options{})
		newer, ok := errors.AsType[*store.NewerError](err)
		switch {
		case ok:
			went++
			if newer.Backup == "" || !strings.Contains(err.Error(), "mv "+newer.Backup) {
				t.Fatalf("no way back is named: %v", err)
			}
			if err := os.Rename(newer.Backup, newer.Path); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatalf("the former binary: %v", err)
		default:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := everything(t, dir); got != want {
			t.Fatalf("the former binary reads another content after the kill")
		}
		if err := upgrade(dir); err != nil {
			t.Fatalf("the newer binary does not go on: %v", err)
		}
	}
	t.Logf("%d kills half way; after %d of them the former binary was told to take the copy", half, went)
}

// killed starts an upgrade and kills it some time later; it tells whether that
// was before its end.
func killed(t *testing.T, dir string, after time.Duration) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), upgraderEnv+"="+dir)
	out := new(strings.Builder)
	cmd.Stderr = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer timer.Stop()
	err := cmd.Wait()
	if err != nil && out.Len() > 0 {
		t.Fatalf("the upgrade failed by itself: %v %s", err, out)
	}
	return err != nil && begun(t, dir)
}

// begun tells whether the upgrade made its first copy, the first thing it does.
func begun(t *testing.T, dir string) bool {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.Contains(n.Name(), ".backup") {
			return true
		}
	}
	return false
}
