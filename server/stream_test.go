package server

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// silent has no events and never gets any.
type silent struct{ others }

// others are the methods that a silent stream does not need.
type others = Events

func (silent) Wait(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestASilentStreamSaysEveryFifteenSecondsThatItIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{o: Options{Events: silent{}}}
		var sent []string
		began := time.Now()
		for range 3 {
			after, err := s.follow(t.Context(), 7, func(text string) error {
				sent = append(sent, text)
				return nil
			})
			if err != nil || after != 7 {
				t.Fatalf("got %d, %v", after, err)
			}
		}
		if !slices.Equal(sent, []string{": alive\n\n", ": alive\n\n", ": alive\n\n"}) || time.Since(began) != 45*time.Second {
			t.Errorf("sent %q in %s", sent, time.Since(began))
		}
	})
}

func TestAStreamWhoseReaderIsGoneEnds(t *testing.T) {
	gone := errors.New("broken pipe")
	st := openStore(t)
	for range 3 {
		_, err := st.Append(t.Context(), release.Event{Kind: release.EventProgress, Message: "x"})
		check(t, err)
	}
	sent := 0
	after, err := reader(st).follow(t.Context(), 0, func(string) error {
		if sent++; sent == 2 {
			return gone
		}
		return nil
	})
	if !errors.Is(err, gone) || after != 1 || sent != 2 {
		t.Errorf("got after %d, %v, %d sent", after, err, sent)
	}
}
