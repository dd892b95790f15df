package backup_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/internal/disktest"
)

// never prints until somebody stops it.
func never(ctx context.Context) func(string, docker.Streams) (int, error) {
	return func(string, docker.Streams) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
}

// hung is an engine that ends with its ctx alone.
type hung struct{ engine }

func (h *hung) Attend(ctx context.Context, _ string, _, _ []string, st docker.Streams) (int, error) {
	_, _ = io.WriteString(st.Out, "half")
	return never(ctx)("", st)
}

func TestADumpThatTakesTooLongEndsAndSaysWhatAllowsMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.of.Engine = &hung{}
		begin := time.Now()
		_, err := s.take()
		if err == nil || !strings.Contains(err.Error(), "took over 1m0s; `timeout:` of its backup allows more") || time.Since(begin) != time.Minute {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		if left := s.left(); len(left) > 0 {
			t.Errorf("left are %v", left)
		}
	})
}

// left are all files in the folder of its dumps.
func (s *shop) left() []string {
	s.Helper()
	left, err := filepath.Glob(filepath.Join(s.folder.Path, "shop/db/*"))
	if err != nil {
		s.Fatal(err)
	}
	return left
}

func TestAHugeDumpTravelsNoFasterThanItsRateAndInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		const pieces, size = 48, 2 << 20
		s.engine.run = func(_ string, st docker.Streams) (int, error) {
			piece := make([]byte, size)
			for range pieces {
				if _, err := st.Out.Write(piece); err != nil {
					return 0, err
				}
			}
			return 0, nil
		}
		begin := time.Now()
		d, err := s.take()
		if err != nil || d.Size != pieces*size {
			t.Fatal(d.Size, err)
		}
		if took, least := time.Since(begin), time.Second*pieces*size/backup.Rate; took < least || took > least+time.Second {
			t.Errorf("%d bytes took %s, want %s", d.Size, took, least)
		}
	})
}

func TestADumpThatWouldFillTheDiskIsRefusedAndLeavesNothing(t *testing.T) {
	if disktest.Within(t) {
		return
	}
	for name, c := range map[string]struct{ size, writes string }{
		"it was nearly full before": {"8m", "little"},
		"the dump fills it":         {"260m", "much"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			disktest.Mount(t, s.folder.Path, c.size)
			s.engine.run = func(_ string, st docker.Streams) (int, error) {
				for {
					if _, err := st.Out.Write(make([]byte, 1<<20)); err != nil || c.writes == "little" {
						return 0, err
					}
				}
			}
			_, err := s.take()
			if !errors.Is(err, backup.ErrRoom) || !strings.Contains(err.Error(), "make room in "+s.folder.Path) {
				t.Error(err)
			}
			if left := s.left(); len(left) > 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

func TestHalfADumpOfADaemonThatDiedIsSweptAndOneThatGoesOnIsNot(t *testing.T) {
	s := newShop(t)
	s.engine.run = prints("whole", 0)
	if _, err := s.take(); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(s.folder.Path, "shop/db/dump.part")
	if err := os.WriteFile(half, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.folder.Sweep(); err != nil {
		t.Fatal(err)
	}
	if left := s.left(); len(left) != 1 || s.kept() != "whole" {
		t.Errorf("left are %v", left)
	}
	s.engine.run = func(_ string, st docker.Streams) (int, error) {
		if err := s.folder.Sweep(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(half); err != nil {
			t.Errorf("a dump that goes on was swept: %v", err)
		}
		return prints("second", 0)("", st)
	}
	if _, err := s.take(); err != nil || s.kept() != "second whole" {
		t.Error(s.kept(), err)
	}
}
