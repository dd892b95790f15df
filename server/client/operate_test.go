package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release/operation"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/server/client"
)

// operator does what a test says.
type operator func(ctx context.Context, ask operation.Ask, who operation.Caller) error

// Operate does it.
func (o operator) Operate(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	return o(ctx, ask, who)
}

// operated runs a server whose operator does something, until the test ends or
// stop is called.
func operated(t *testing.T, o operator) (c *client.Client, stop func()) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "f.sock")
	s, err := server.Open(server.Options{Socket: socket, Operator: o, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx); close(done) }()
	c = client.New(socket)
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
	t.Cleanup(func() { stop(); c.Close() })
	return c, stop
}

func exec(line ...string) operation.Ask {
	return operation.Ask{Verb: operation.Exec, Repo: "shop", Actor: "ana", Command: &operation.Command{Argv: line, Input: true}}
}

func TestWhatIsTypedAndSaidArrivesByteForByte(t *testing.T) {
	all := bytes.Repeat([]byte{0, 1, '\n', 0xff, 0x1b, '<'}, 60_000)
	c, _ := operated(t, func(_ context.Context, ask operation.Ask, who operation.Caller) error {
		if ask.Actor != "ana" || ask.Command.Argv[0] != "cat" {
			t.Errorf("asked for %+v", ask)
		}
		typed, err := io.ReadAll(who.In)
		if size := <-who.Resize; size != (operation.Size{Rows: 24, Cols: 80}) {
			t.Errorf("the terminal is %+v", size)
		}
		for n := 0; n < len(typed) && err == nil; n += operation.Chunk {
			err = who.Tell(operation.Told{Source: operation.Source{Host: "web-1"}, Out: typed[n:min(len(typed), n+operation.Chunk)]})
		}
		code := 3
		return errors.Join(err, who.Tell(operation.Told{Exit: &code}))
	})
	var out bytes.Buffer
	code := 0
	sizes := make(chan operation.Size, 1)
	sizes <- operation.Size{Rows: 24, Cols: 80}
	err := c.Operate(t.Context(), exec("cat"), operation.Caller{
		In: io.NopCloser(bytes.NewReader(all)), Resize: sizes,
		Tell: func(said operation.Told) error {
			out.Write(said.Out)
			if said.Exit != nil {
				code = *said.Exit
			}
			return nil
		},
	})
	if err != nil || code != 3 || !bytes.Equal(out.Bytes(), all) {
		t.Errorf("%v, status %d, %d bytes of %d", err, code, out.Len(), len(all))
	}
}

func TestARefusalOfAnOperationArrivesWithItsHint(t *testing.T) {
	c, _ := operated(t, func(context.Context, operation.Ask, operation.Caller) error {
		return &operation.Refusal{Message: "no role is called webb", Hint: "there is web"}
	})
	err := c.Operate(t.Context(), exec("ls"), operation.Caller{Tell: func(operation.Told) error { return nil }})
	if r, ok := errors.AsType[*operation.Refusal](err); !ok || r.Message != "no role is called webb" || r.Hint != "there is web" {
		t.Errorf("%v", err)
	}
	err = c.Operate(t.Context(), operation.Ask{Verb: "dance"}, operation.Caller{Tell: func(operation.Told) error { return nil }})
	if r, ok := errors.AsType[*server.Error](err); !ok || r.Status != http.StatusBadRequest || !strings.Contains(r.Message, "dance") {
		t.Errorf("%v", err)
	}
}

func TestAnOperationEndsWhenItsAskerGoes(t *testing.T) {
	ended := make(chan error, 1)
	begun := make(chan bool)
	c, _ := operated(t, func(ctx context.Context, _ operation.Ask, _ operation.Caller) error {
		close(begun)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return context.Cause(ctx)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("Ctrl-C")
	go func() { <-begun; cancel(left) }()
	if err := c.Operate(ctx, exec("sleep"), operation.Caller{Tell: func(operation.Told) error { return nil }}); !errors.Is(err, left) {
		t.Errorf("the asker hears %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("it ends of itself")
	}
}

func TestAnOperationEndsWhenTheDaemonStops(t *testing.T) {
	begun := make(chan bool)
	c, stop := operated(t, func(ctx context.Context, _ operation.Ask, _ operation.Caller) error {
		close(begun)
		<-ctx.Done()
		return errors.New("the daemon stops")
	})
	go func() { <-begun; stop() }()
	err := c.Operate(t.Context(), exec("sleep"), operation.Caller{Tell: func(operation.Told) error { return nil }})
	if err == nil {
		t.Error("nobody told")
	}
}

// A command that does not read what is typed keeps the daemon from reading,
// too; that the asker has gone shows all the same.
func TestAnAskerThatGoesIsMissedThoughNobodyReadsWhatItTyped(t *testing.T) {
	ended := make(chan bool)
	begun := make(chan bool)
	c, _ := operated(t, func(ctx context.Context, _ operation.Ask, _ operation.Caller) error {
		close(begun)
		<-ctx.Done()
		close(ended)
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	in, typed := io.Pipe()
	go func() {
		<-begun
		for n := 0; ; n++ {
			if n == 2 { // the first is on its way, and nobody reads it
				cancel()
			}
			if _, err := typed.Write(make([]byte, operation.Chunk)); err != nil {
				return
			}
		}
	}()
	_ = c.Operate(ctx, exec("sleep"), operation.Caller{In: in, Tell: func(operation.Told) error { return nil }})
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Error("it goes on for nobody")
	}
}
