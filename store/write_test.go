package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// TestWritesThatWaitTogetherAreEachWholeOrNot holds the turn until many writes
// wait, some of which fail in different ways: the others are there, those are
// not, and each was told its own outcome.
func TestWritesThatWaitTogetherAreEachWholeOrNot(t *testing.T) {
	s, err := upTo(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s, nil)
	s.queue.turn <- struct{}{}
	const n = 3 * batchSize
	errs := make([]error, n)
	gone, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ctx := t.Context()
			if i%4 == 1 {
				ctx = gone
			}
			errs[i] = s.update(ctx, "test", func(ctx context.Context, w tx) error {
				if _, err := looksTable.put(ctx, w, fmt.Sprint("repo", i), "{}"); err != nil {
					return err
				}
				switch i % 4 {
				case 2:
					return ErrEnded
				case 3:
					panic("a bug")
				}
				return nil
			})
		})
	}
	for {
		s.queue.mu.Lock()
		waiting := len(s.queue.waiting)
		s.queue.mu.Unlock()
		if waiting == n {
			break
		}
	}
	end()
	<-s.queue.turn
	wg.Wait()
	looks, err := s.Looks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(looks) != n/4 {
		t.Errorf("%d of the writes are there, %d should be", len(looks), n/4)
	}
	for i, err := range errs {
		good := false
		switch i % 4 {
		case 0:
			good = err == nil
		case 1:
			good = errors.Is(err, context.Canceled)
		case 2:
			good = errors.Is(err, ErrEnded)
		case 3:
			good = err != nil && strings.Contains(err.Error(), "a bug")
		}
		if !good {
			t.Errorf("write %d was told %v", i, err)
		}
	}
}

// TestAWriteThatUndoesAllOthersHarmsNone has one write of a batch roll the whole
// transaction back under the others, as SQLite does on a full disk.
func TestAWriteThatUndoesAllOthersHarmsNone(t *testing.T) {
	s, err := upTo(t, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s, nil)
	batch := []*pending{}
	for i := range 3 {
		batch = append(batch, &pending{ctx: t.Context(), done: make(chan error, 1), do: func(ctx context.Context, w tx) error {
			if i == 1 {
				_, err := w.ExecContext(ctx, "ROLLBACK")
				return errors.Join(err, ErrFull)
			}
			_, err := effectsTable.put(ctx, w, string(release.ID("r")), fmt.Sprint(i), []byte{}, int64(1), "", int64(0))
			return err
		}})
	}
	s.writeAll(batch)
	for i, p := range batch {
		if err := <-p.done; (err != nil) != (i == 1) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if all, err := s.Effects(t.Context(), "r"); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}
