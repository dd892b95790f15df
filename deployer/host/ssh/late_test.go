package ssh

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// place is something that is kept at a server until it is closed.
type place struct{ closed chan struct{} }

func (p place) Close() error { close(p.closed); return nil }

// turning is a context that ends while whoever opens believes that it goes on.
type turning struct{ context.Context }

func (turning) Err() error { return nil }

func TestASessionThatComesWhenNobodyWaitsForItIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("too late"))
		defer cancel()
		late := place{make(chan struct{})}
		began := time.Now()
		_, _ = inTime(turning{ctx}, func() (place, error) { time.Sleep(time.Minute); return late, nil })
		if time.Since(began) != time.Second {
			t.Errorf("it waited for %s", time.Since(began))
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		select {
		case <-late.closed:
		default:
			t.Error("it stays open, and its place at the server taken")
		}
	})
}

func TestASessionThatComesInTimeIsKept(t *testing.T) {
	p := place{make(chan struct{})}
	if got, err := inTime(t.Context(), func() (place, error) { return p, nil }); err != nil || got != p {
		t.Errorf("got %v, %v", got, err)
	}
	select {
	case <-p.closed:
		t.Error("it was closed")
	default:
	}
}
