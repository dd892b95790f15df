// Package slack tells Slack: as a bot, one message per release that is edited
// in place, with the details in its thread; or through an incoming webhook,
// one message per event.
//
// A bot's messages can have buttons. A click comes by Socket Mode (socket), counts
// only from listed people and only on the message of a lane's newest release, and
// becomes a release.Order for a Desk; the thread tells what came of it.
//
// Lives here: the blocks, the two ways to send them, what Slack's errors mean,
// which buttons fit, whose click counts. May not live here: retries and pacing
// (notify/outbox; Slack allows about one message a second and channel, so give
// its Channel that Pace), the connection (socket), carrying out an order.
//
// Every text is foreign and made inert: plain_text where Slack offers it, and
// "&", "<" and ">" escaped everywhere, so that "<!channel>" in a commit
// message is only these words.
package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
	"github.com/fairlead-deploy/fairlead/release"
)

// Pace is the time between two messages that Slack asks for.
const Pace = time.Second

// DefaultBaseURL is where Slack's Web API is.
const DefaultBaseURL = "https://slack.com/api"

// Refs remembers where the edited messages live.
type Refs interface {
	Ref(ctx context.Context, channel, key string) (string, error)
	SetRef(ctx context.Context, channel, key, ref string) error
}

// Config is a bot's.
type Config struct {
	Name    string       // of the outbox channel; the references are kept under it
	Token   secret.Value // "xoxb-…", with the scope chat:write
	Channel string       // "#deploys" or an id
	BaseURL string       // "" = DefaultBaseURL
	Buttons *Buttons     // nil: messages have none
	Log     *slog.Logger // nil: discard
}

// Bot is a notify.Notifier that edits. Its outbox channel is Edited, with a
// Rule of Every.
type Bot struct {
	cfg    *Config // behind a pointer, for fmt looks into unexported fields
	refs   Refs
	client *post.Client
	turn   chan struct{} // held while messages are drawn and sent, so that none overtakes another
	recent recent
}

// NewBot checks the configuration.
func NewBot(cfg Config, refs Refs) (*Bot, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	switch {
	case cfg.Token.IsZero():
		return nil, errors.New("read slack token: it is empty: write where to find it")
	case cfg.Channel == "":
		return nil, errors.New("read slack channel: it is empty: write one, such as \"#deploys\"")
	}
	if err := post.CheckURL(secret.New(cfg.BaseURL)); err != nil {
		return nil, fmt.Errorf("read slack address: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Bot{cfg: &cfg, refs: refs, client: post.New(), turn: make(chan struct{}, 1)}, nil
}

// Notify posts a message, or edits the one about the same release. A release
// gets its message when it begins to touch anything, waits, or ends: one that
// only found nothing to do stays silent.
func (b *Bot) Notify(ctx context.Context, m notify.Message) error {
	if err := b.take(ctx); err != nil {
		return err
	}
	defer b.leave()
	if m.Status() == "" {
		_, err := b.call(ctx, "chat.postMessage", b.payload(m))
		return err
	}
	place, err := b.place(ctx, m.Key)
	if err != nil {
		return err
	}
	if place.ts == "" && early(m.Status()) {
		b.silent(ctx, m)
		return nil
	}
	buttons, err := b.buttons(ctx, *m.Event.Release)
	if err != nil {
		return err
	}
	if place.ts != "" {
		_, err := b.call(ctx, "chat.update", b.edit(m, place, buttons))
		if err != nil && !gone(err) {
			return err
		}
		if err != nil {
			place = where{} // someone deleted it
		}
	}
	if place.ts == "" {
		if place, err = b.post(ctx, m, buttons); err != nil {
			return err
		}
		b.succeed(ctx, *m.Event.Release)
	}
	return b.thread(ctx, m, place)
}

// take waits for its turn to draw and send; leave ends it.
func (b *Bot) take(ctx context.Context) error {
	select {
	case b.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for slack: %w", context.Cause(ctx))
	}
}

func (b *Bot) leave() { <-b.turn }

// early statuses need no message of their own.
func early(s release.Status) bool {
	return s == release.Queued || s == release.Planning || s == release.Unchanged
}

// where is a message's place: the channel's id and the timestamp in it.
type where struct{ channel, ts string }

func (b *Bot) place(ctx context.Context, key string) (where, error) {
	ref, err := b.refs.Ref(ctx, b.cfg.Name, key)
	if err != nil {
		return where{}, fmt.Errorf("find slack message: %w", err)
	}
	channel, ts, _ := strings.Cut(ref, " ")
	return where{channel, ts}, nil
}

func (b *Bot) post(ctx context.Context, m notify.Message, buttons []block) (where, error) {
	p := b.payload(m)
	p.Blocks = append(p.Blocks, buttons...)
	a, err := b.call(ctx, "chat.postMessage", p)
	if err != nil {
		return where{}, err
	}
	if a.TS == "" || a.Channel == "" {
		return where{}, nil // cannot be edited later
	}
	if err := b.refs.SetRef(ctx, b.cfg.Name, m.Key, a.Channel+" "+a.TS); err != nil {
		return where{}, fmt.Errorf("remember slack message: %w", err)
	}
	return where{a.Channel, a.TS}, nil
}

// thread posts the details under the message, once for each status that has
// some and stays.
func (b *Bot) thread(ctx context.Context, m notify.Message, place where) error {
	details := detailBlocks(m)
	if len(details) == 0 || place.ts == "" || !m.Status().Terminal() && m.Status() != release.Waiting {
		return nil
	}
	key := m.Key + "/" + string(m.Status())
	switch ref, err := b.refs.Ref(ctx, b.cfg.Name, key); {
	case err != nil:
		return fmt.Errorf("find slack thread: %w", err)
	case ref == place.ts:
		return nil
	}
	p := quiet(payload{Channel: place.channel, ThreadTS: place.ts, Text: "Details", Blocks: details})
	if _, err := b.call(ctx, "chat.postMessage", p); err != nil {
		return err
	}
	if err := b.refs.SetRef(ctx, b.cfg.Name, key, place.ts); err != nil {
		return fmt.Errorf("remember slack thread: %w", err)
	}
	return nil
}

func (b *Bot) payload(m notify.Message) payload {
	return quiet(payload{Channel: b.cfg.Channel, Text: escape(headline(m), maxFallback), Blocks: blocks(m)})
}

// edit is a message in the place of its former state.
func (b *Bot) edit(m notify.Message, at where, buttons []block) payload {
	p := b.payload(m)
	p.Channel, p.TS, p.Blocks = at.channel, at.ts, append(p.Blocks, buttons...)
	return p
}

// quiet sees to it that Slack looks for no names or links in a text.
func quiet(p payload) payload {
	p.Parse = "none"
	return p
}

// Incoming is a notify.Notifier through an incoming webhook.
type Incoming struct {
	url    *secret.Value // as above
	client *post.Client
}

// NewIncoming checks the address, which is a secret.
func NewIncoming(url secret.Value) (*Incoming, error) {
	if err := post.CheckURL(url); err != nil {
		return nil, fmt.Errorf("read slack webhook url: %w", err)
	}
	return &Incoming{url: &url, client: post.New()}, nil
}

// Notify posts a message with its details.
func (i *Incoming) Notify(ctx context.Context, m notify.Message) error {
	all := append(blocks(m), detailBlocks(m)...)
	_, err := send(ctx, i.client, *i.url, http.Header{}, quiet(payload{Text: escape(headline(m), maxFallback), Blocks: all}))
	return err
}
