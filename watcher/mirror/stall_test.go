package mirror

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drip is a wire whose answer comes a piece at a time and then stops.
type drip struct {
	pieces []string
	every  time.Duration
	ctx    context.Context //nolint:containedctx // of the one upload
}

func (d *drip) refs(context.Context, *choice) (capabilities, error) { return capabilities{}, nil }

func (d *drip) upload(ctx context.Context, _ []byte) (io.ReadCloser, error) {
	d.ctx = ctx
	return io.NopCloser(d), nil
}

func (d *drip) Read(p []byte) (int, error) {
	if len(d.pieces) == 0 {
		<-d.ctx.Done()
		return 0, d.ctx.Err()
	}
	select {
	case <-time.After(d.every):
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
	n := copy(p, d.pieces[0])
	d.pieces = d.pieces[1:]
	return n, nil
}

func TestASlowServerIsAwaitedAndOneThatStallsOrTricklesIsNot(t *testing.T) {
	alive := strings.Repeat("0005\x01", 12*10) // git's sign of life, for ten minutes
	for name, c := range map[string]struct {
		pieces []string
		every  time.Duration
		lasts  time.Duration // from its first byte to when it is given up
	}{
		"it says nothing":                 {lasts: stall},
		"it prepares the pack":            {pieces: append([]string{"0008NAK\n"}, split(alive, 5)...), every: 5 * time.Second, lasts: 10*time.Minute + stall},
		"it sends a byte now and then":    {pieces: split("0008NAK\n"+alive, 1), every: 2 * time.Second, lasts: stall},
		"it sends a little, and a little": {pieces: append([]string{"0008NAK\n" + alive[:100]}, split(alive, 5)...), every: 7 * time.Second, lasts: 7*time.Second + stall},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				w := &drip{pieces: c.pieces, every: c.every}
				caps := parseCapabilities("side-band-64k shallow")
				err := ask(t.Context(), w, caps, request{want: []string{sha}}, func(a *answer) error {
					_, err := io.Copy(io.Discard, a)
					return err
				})
				if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "less than 48 bytes came in 1m0s") {
					t.Errorf("error = %v", err)
				}
				if took := time.Since(began); took < c.lasts-stall/2 || took > c.lasts+stall/2 {
					t.Errorf("given up after %v, want about %v", took, c.lasts)
				}
			})
		})
	}
}

// split cuts a text into pieces of n bytes.
func split(text string, n int) (pieces []string) {
	for p := range slices.Chunk([]byte(text), n) {
		pieces = append(pieces, string(p))
	}
	return pieces
}
