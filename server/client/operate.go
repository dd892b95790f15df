package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

// errCut is returned when the daemon ends before it has said how it went.
var errCut = errors.New("the daemon ended before it was done; `fairlead status` tells how it stands")

// Operate asks the daemon to do something to a service that runs, and passes on
// what it tells and what is typed until it is done, or until ctx ends, which
// ends what is under way. A *operation.Refusal says why it was not done.
func (c *Client) Operate(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return fmt.Errorf("ask daemon: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://fairlead/v1/operate", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask daemon: %w", err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", operation.Protocol)
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unanswered(ctx, err)
	}
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		defer resp.Body.Close()
		return refused(resp)
	}
	var typing sync.WaitGroup
	defer typing.Wait()
	if who.In != nil {
		defer who.In.Close()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	typing.Go(func() { typed(ctx, conn, who) })
	return left(ask, hear(ctx, conn, who))
}

// left says what a daemon that ended in between has left of the data of an
// accessory.
func left(ask operation.Ask, err error) error {
	if !errors.Is(err, errCut) {
		return err
	}
	switch ask.Verb {
	case operation.AccessoryBackup:
		return fmt.Errorf("%w; no dump was kept but the earlier ones: `fairlead accessory backup %s` again", err, ask.Accessory)
	case operation.AccessoryRestore:
		return fmt.Errorf("%w; some of the dump may be there already: restore it again, and whole, before the data is used", err)
	}
	return err
}

// hear passes on what the daemon tells, until its end.
func hear(ctx context.Context, conn io.Reader, who operation.Caller) error {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 64<<10), operation.MaxFrame)
	for lines.Scan() {
		var t operation.Told
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return fmt.Errorf("ask daemon: read answer: %w", err)
		}
		switch {
		case t.Alive:
		case t.End == nil:
			if err := who.Tell(t); err != nil {
				return err
			}
		case t.End.Error != "":
			return &operation.Refusal{Message: t.End.Error, Hint: t.End.Hint}
		default:
			return nil
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errCut
}

// typed passes on what is typed and the terminal's sizes, until ctx ends.
func typed(ctx context.Context, conn io.Writer, who operation.Caller) {
	var mu sync.Mutex
	enc := json.NewEncoder(conn)
	send := func(t operation.Typed) error {
		mu.Lock()
		defer mu.Unlock()
		return enc.Encode(t)
	}
	var sizing sync.WaitGroup
	defer sizing.Wait()
	sizing.Go(func() {
		for {
			select {
			case size, ok := <-who.Resize:
				if !ok || send(operation.Typed{Size: &size}) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	if who.In == nil {
		return
	}
	buf := make([]byte, operation.Chunk)
	for {
		n, err := who.In.Read(buf)
		if n > 0 && send(operation.Typed{In: buf[:n]}) != nil {
			return
		}
		if err != nil {
			_ = send(operation.Typed{EOF: true})
			return
		}
	}
}
