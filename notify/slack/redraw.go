package slack

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
)

// buttons are those of a release that is the newest of its lane: none, or one
// block of them.
func (b *Bot) buttons(ctx context.Context, r release.Release) ([]block, error) {
	if b.cfg.Buttons == nil {
		return nil, nil
	}
	held, err := b.cfg.Buttons.Standing.Held(ctx, r.Lane)
	if err != nil {
		return nil, fmt.Errorf("find hold of %s: %w", r.Lane, err)
	}
	if all, ok := row(b.cfg.Name, r, fitting(r, held)); ok {
		return []block{all}, nil
	}
	return nil, nil
}

// newestKey is under which a lane's newest message is remembered.
func newestKey(lane release.Lane) string { return "newest/" + lane.String() }

// succeed remembers a lane's newest message, and takes the buttons off the one
// before. A click on that one would be refused anyway, so that a failure here is
// no reason to send anything again.
func (b *Bot) succeed(ctx context.Context, r release.Release) {
	if b.cfg.Buttons == nil {
		return
	}
	before, err := b.refs.Ref(ctx, b.cfg.Name, newestKey(r.Lane))
	if err == nil {
		err = b.refs.SetRef(ctx, b.cfg.Name, newestKey(r.Lane), string(r.ID))
	}
	if err == nil && before != "" && before != string(r.ID) {
		err = b.draw(ctx, release.ID(before), false)
	}
	if err != nil {
		b.cfg.Log.Warn("buttons of an old message not removed", "release", before, "error", err)
	}
}

// silent looks after the lane's newest message when a person's order changed
// nothing on the servers, and so has no message of its own: the end of a hold,
// mostly.
func (b *Bot) silent(ctx context.Context, m notify.Message) {
	r := m.Event.Release
	if b.cfg.Buttons == nil || r.Status != release.Unchanged || r.Cause.Kind != release.CauseManual {
		return
	}
	newest, err := b.refs.Ref(ctx, b.cfg.Name, newestKey(r.Lane))
	if err == nil && newest != "" {
		err = b.draw(ctx, release.ID(newest), true)
	}
	if err != nil {
		b.cfg.Log.Warn("buttons not redrawn", "service", r.Lane.String(), "error", err)
	}
}

// redraw draws a message anew, with the buttons that fit now.
func (b *Bot) redraw(ctx context.Context, id release.ID, lane release.Lane) {
	err := b.take(ctx)
	if err == nil {
		defer b.leave()
		var newest string
		if newest, err = b.refs.Ref(ctx, b.cfg.Name, newestKey(lane)); err == nil {
			err = b.draw(ctx, id, newest == string(id))
		}
	}
	if err != nil {
		b.cfg.Log.Warn("buttons not redrawn", "service", lane.String(), "error", err)
	}
}

// draw edits the message about a release to its last state, with or without
// buttons. The turn is held.
func (b *Bot) draw(ctx context.Context, id release.ID, withButtons bool) error {
	place, err := b.place(ctx, string(id))
	if err != nil || place.ts == "" {
		return err
	}
	events, err := b.cfg.Buttons.Standing.ReleaseEvents(ctx, id)
	if err != nil {
		return fmt.Errorf("find events of %s: %w", id, err)
	}
	for i := len(events) - 1; i >= 0; i-- {
		ev := events[i]
		if ev.Kind != release.EventStatus || ev.Release == nil {
			continue
		}
		var buttons []block
		if withButtons {
			if buttons, err = b.buttons(ctx, *ev.Release); err != nil {
				return err
			}
		}
		if _, err := b.call(ctx, "chat.update", b.edit(notify.Make(ev), place, buttons)); err != nil && !gone(err) {
			return err
		}
		return nil
	}
	return nil
}
