package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// routeBatch is how many events Route reads in one transaction.
const routeBatch = 256

// Route says what becomes of one event in one channel.
type Route int

// The routes.
const (
	Skip    Route = iota // the channel does not send it
	Send                 // the channel sends it
	Replace              // the channel sends it instead of what it has not yet sent of the same release
)

// Join makes the given channels the ones there are. A new channel begins with
// the next event; one that is no longer named is forgotten with all that it
// has not sent. It returns the names of the forgotten.
func (s *Store) Join(ctx context.Context, channels ...string) (gone []string, err error) {
	err = s.update(ctx, "join channels", func(ctx context.Context, t tx) error {
		gone = nil
		var known []string
		rows, err := t.QueryContext(ctx, "SELECT channel FROM channels ORDER BY channel")
		if err != nil {
			return err
		}
		err = each(rows, func(r *sql.Rows) error {
			var name string
			err := r.Scan(&name)
			known = append(known, name)
			return err
		})
		if err != nil {
			return err
		}
		for _, name := range known {
			if slices.Contains(channels, name) {
				continue
			}
			gone = append(gone, name)
			for _, from := range []table{channelsTable, outboxTable, refsTable} {
				if _, err := t.ExecContext(ctx, "DELETE FROM "+string(from)+" WHERE channel = ?", name); err != nil {
					return err
				}
			}
		}
		var last int64
		if err := unlessNoRows(t.QueryRowContext(ctx, "SELECT seq FROM sqlite_sequence WHERE name = 'events'").Scan(&last)); err != nil {
			return err
		}
		for _, name := range channels {
			if slices.Contains(known, name) {
				continue
			}
			if _, err := channelsTable.put(ctx, t, name, last); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// Route reads the events that the channel has not read, asks route what to do
// with each, and notes that, all in one transaction. It returns the seq up to
// which the channel has now read, and whether there may be more.
// ErrNotFound: the channel has not joined.
func (s *Store) Route(ctx context.Context, channel string, route func(release.Event) Route) (read int64, more bool, err error) {
	err = s.update(ctx, "route events", func(ctx context.Context, t tx) error {
		err := t.QueryRowContext(ctx, "SELECT read FROM channels WHERE channel = ?", channel).Scan(&read)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("channel %s: %w", channel, ErrNotFound)
		}
		if err != nil {
			return err
		}
		rows, err := t.QueryContext(ctx, "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", read, routeBatch)
		if err != nil {
			return err
		}
		var events []release.Event
		if err := each(rows, func(r *sql.Rows) error {
			ev, err := scanEvent(r)
			events = append(events, ev)
			return err
		}); err != nil {
			return err
		}
		if len(events) == 0 {
			return nil
		}
		for _, ev := range events {
			if err := enqueue(ctx, t, channel, ev, route(ev)); err != nil {
				return err
			}
		}
		read, more = events[len(events)-1].Seq, len(events) == routeBatch
		_, err = channelsTable.put(ctx, t, channel, read)
		return err
	})
	return read, more, err
}

func enqueue(ctx context.Context, t tx, channel string, ev release.Event, route Route) error {
	if route == Skip {
		return nil
	}
	id := ""
	if ev.Release != nil {
		id = string(ev.Release.ID)
	}
	if route == Replace && id != "" {
		if _, err := t.ExecContext(ctx, "DELETE FROM outbox WHERE channel = ? AND release = ?", channel, id); err != nil {
			return err
		}
	}
	_, err := outboxTable.put(ctx, t, channel, ev.Seq, ev.Lane.Service, ev.Lane.Destination, id)
	return err
}

// Heads returns, for each lane, the oldest event that the channel still has to
// send, ordered by seq. Events without a lane are a queue of their own.
func (s *Store) Heads(ctx context.Context, channel string) ([]release.Event, error) {
	return s.events(ctx, `SELECT seq, body FROM events WHERE seq IN
		(SELECT min(seq) FROM outbox WHERE channel = ? GROUP BY service, destination) ORDER BY seq`, channel)
}

// Settle notes that the channel need not send an event any more.
func (s *Store) Settle(ctx context.Context, channel string, seq int64) error {
	return s.update(ctx, "settle message", func(ctx context.Context, t tx) error {
		_, err := t.ExecContext(ctx, "DELETE FROM outbox WHERE channel = ? AND seq = ?", channel, seq)
		return err
	})
}

// Backlog is what a channel still has to send.
type Backlog struct {
	Channel  string
	Messages int
	Oldest   time.Time // of the oldest event; zero when nothing is left
}

// Backlogs returns the backlog of every channel, ordered by name.
func (s *Store) Backlogs(ctx context.Context) ([]Backlog, error) {
	var all []Backlog
	err := s.query(ctx, "read backlogs", `SELECT c.channel, count(o.seq), coalesce(min(e.at), 0) FROM channels c
		LEFT JOIN outbox o ON o.channel = c.channel LEFT JOIN events e ON e.seq = o.seq
		GROUP BY c.channel ORDER BY c.channel`, nil, func(r *sql.Rows) error {
		var b Backlog
		var oldest int64
		err := r.Scan(&b.Channel, &b.Messages, &oldest)
		b.Oldest = fromNano(oldest)
		all = append(all, b)
		return err
	})
	return all, err
}

// SetRef remembers where a channel's edited message about key lives.
func (s *Store) SetRef(ctx context.Context, channel, key, ref string) error {
	return s.update(ctx, "save message reference", func(ctx context.Context, t tx) error {
		_, err := refsTable.put(ctx, t, channel, key, ref, t.now.UnixNano())
		return err
	})
}

// Ref returns what SetRef remembers, "" when nothing.
func (s *Store) Ref(ctx context.Context, channel, key string) (string, error) {
	var ref string
	err := s.one(ctx, "read message reference", "SELECT ref FROM message_refs WHERE channel = ? AND key = ?", []any{channel, key}, &ref)
	return ref, unlessMissing(err)
}
