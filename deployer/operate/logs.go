package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// logs shows what the containers wrote, in the order of time, or follows them
// through restarts, deploys and lost connections.
func (w *work) logs(ctx context.Context, hosts []string) error {
	q, err := query(*w.ask.Log, time.Now())
	if err != nil {
		return err
	}
	if _, err := newGrep(w.ask.Log.Grep, w.ask.Log.Options); err != nil {
		return err
	}
	if q.Follow {
		return w.each(ctx, hosts, func(ctx context.Context, h Host) error { return w.follow(ctx, h, q) })
	}
	return w.merged(ctx, hosts, q)
}

// query is what the engine is asked for.
func query(l operation.Log, now time.Time) (docker.LogQuery, error) {
	q := docker.LogQuery{Tail: -1, Follow: l.Follow}
	if l.Lines > 0 {
		q.Tail = l.Lines
	}
	var err error
	q.Since, err = since(l.Since, now)
	return q, err
}

// since reads a time, a date, or a duration before now.
func since(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, &operation.Refusal{Message: fmt.Sprintf("--since %q is no time", text), Hint: "write 42m, 2h, 2026-11-23 or 2026-11-23T10:00:00Z"}
}

// voice is one container that is listened to.
type voice struct {
	target
	c    container.Observed
	seen func(at time.Time) // of each line, passed on or not; may be nil
}

// voices are the containers of a host whose logs are asked for: of each target
// those that run, else the newest, whose last words tell why none does; or all.
func (w *work) voices(ctx context.Context, h Host, all bool) ([]voice, error) {
	if id := w.ask.Log.Container; id == route.Container {
		return w.named(ctx, h, route.Name(w.Deploy)) // the proxy's, whatever it is
	} else if id != "" {
		return w.named(ctx, h, id)
	}
	found, err := h.Reader.Containers(ctx, w.labels())
	if err != nil {
		return nil, err
	}
	var list []voice
	for _, t := range w.on(h.Name) {
		mine := slices.DeleteFunc(of(w.Lane(), t, found), func(c container.Observed) bool { return !w.meant(c) })
		up := slices.DeleteFunc(slices.Clone(mine), func(c container.Observed) bool { return !c.State.IsUp() && c.State.Status != container.Restarting })
		switch {
		case all:
			up = mine
		case len(up) == 0 && len(mine) > 0:
			up = mine[:1]
		}
		for _, c := range up {
			list = append(list, voice{target: t, c: c})
		}
	}
	return list, nil
}

// named finds the one container that an ask names.
func (w *work) named(ctx context.Context, h Host, id string) ([]voice, error) {
	all, err := h.Reader.Containers(ctx, nil)
	for _, c := range all {
		if c.Name == id || len(id) >= 4 && strings.HasPrefix(c.ID, id) {
			return []voice{{target: target{host: h.Name, role: w.kind(c)}, c: c}}, err
		}
	}
	return nil, err
}

// heard is one line and where it came from.
type heard struct {
	src operation.Source
	operation.Line
}

// merged tells the lines of all containers in the order of time, holding one
// of each.
func (w *work) merged(ctx context.Context, hosts []string, q docker.LogQuery) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var streams []chan heard
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	var failures []error
	listening := w.each(ctx, hosts, func(_ context.Context, h Host) error {
		list, err := w.voices(ctx, h, false)
		mu.Lock()
		defer mu.Unlock()
		for _, v := range list {
			ch := make(chan heard, 64)
			streams = append(streams, ch)
			reading.Go(func() {
				defer close(ch)
				if err := w.listen(ctx, h, v, q, func(l heard) error { return pass(ctx, ch, l) }); err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			})
		}
		return err
	})
	if err := w.tellInOrder(streams); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	if len(streams) == 0 && listening == nil {
		return &operation.Refusal{Message: "there is no container to read", Hint: "`fairlead app containers` lists those that there are"}
	}
	return errors.Join(listening, errors.Join(failures...))
}

func pass(ctx context.Context, ch chan<- heard, l heard) error {
	select {
	case ch <- l:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tellInOrder merges streams that are each in the order of time.
func (w *work) tellInOrder(streams []chan heard) error {
	heads := make([]*heard, len(streams))
	for {
		first := -1
		for i, ch := range streams {
			if heads[i] == nil {
				l, ok := <-ch
				if !ok {
					continue // closed: it stays nil
				}
				heads[i] = &l
			}
			if first < 0 || heads[i].At.Before(heads[first].At) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		line := heads[first].Line
		if err := w.tell(operation.Told{Source: heads[first].src, Line: &line}); err != nil {
			return err
		}
		heads[first] = nil
	}
}

// listen reads one container and passes on the lines that fit.
func (w *work) listen(ctx context.Context, h Host, v voice, q docker.LogQuery, each func(heard) error) error {
	g, err := newGrep(w.ask.Log.Grep, w.ask.Log.Options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return h.Reader.LogLines(ctx, v.c.ID, q, func(at time.Time, text string) {
		if v.seen != nil {
			v.seen(at)
		}
		for _, l := range g.line(operation.Line{At: at, Text: text}) {
			if err := each(heard{v.source(v.c), l}); err != nil {
				cancel(err)
			}
		}
	})
}
