package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// maxEvent bounds one event on the wire, in bytes.
const maxEvent = 4 << 20

// silence is how long a stream may say nothing; the daemon sends a comment
// every 15 s.
const silence = 45 * time.Second

var errSilence = errors.New("the daemon has gone silent")

// FromNow as a seq begins with the next event.
const FromNow = -1

// Events yields events after a seq (0: all, FromNow: the next) as they happen.
// It ends with an error when the daemon goes away or ctx ends; to go on, ask
// again after the last event's Seq.
func (c *Client) Events(ctx context.Context, after int64) iter.Seq2[release.Event, error] {
	return func(yield func(release.Event, error) bool) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		path := "/v1/events"
		if after >= 0 {
			path += "?after=" + strconv.FormatInt(after, 10)
		}
		watchdog := time.AfterFunc(silence, func() { cancel(errSilence) })
		defer watchdog.Stop()
		resp, err := c.do(ctx, http.MethodGet, path, nil)
		if err != nil {
			yield(release.Event{}, err)
			return
		}
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
		for lines.Scan() {
			watchdog.Reset(silence)
			body, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue // id and event repeat what the body says; comments say that it is alive
			}
			var ev release.Event
			if err := json.Unmarshal([]byte(body), &ev); err != nil {
				yield(ev, fmt.Errorf("read event: %w", err))
				return
			}
			if !yield(ev, nil) {
				return
			}
		}
		yield(release.Event{}, fmt.Errorf("read events: %w", ended(ctx, lines.Err())))
	}
}

// ended is why a stream is over.
func ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	}
	return io.EOF
}
