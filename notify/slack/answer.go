package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
	"github.com/fairlead-deploy/fairlead/release"
)

// Desk takes what people ask for by a button.
type Desk interface {
	// Order accepts an order, and says what was asked for: "a rollback of shop
	// to v41". Its error is a sentence that says why the order is refused.
	Order(ctx context.Context, o release.Order) (what string, err error)
}

// Standing tells how lanes stand, for the buttons that fit.
type Standing interface {
	// Held returns the hold on a lane, nil where there is none.
	Held(ctx context.Context, lane release.Lane) (*release.Hold, error)
	// ReleaseEvents returns the events of one release, in order.
	ReleaseEvents(ctx context.Context, id release.ID) ([]release.Event, error)
}

// Buttons are what a bot needs for messages with buttons.
type Buttons struct {
	Users    []string // member ids of those whose clicks count
	Desk     Desk
	Standing Standing
}

// Clicks gives each click to the bot whose message it is on.
type Clicks struct {
	bots map[string]*Bot
	log  *slog.Logger
}

// NewClicks makes one for the bots that share an app. Those without buttons
// get none.
func NewClicks(log *slog.Logger, bots ...*Bot) *Clicks {
	c := &Clicks{bots: map[string]*Bot{}, log: log}
	for _, b := range bots {
		if b.cfg.Buttons != nil {
			c.bots[b.cfg.Name] = b
		}
	}
	return c
}

// Handle deals with the payload of one interaction. What went wrong is told to
// the person where that is possible, and logged.
func (c *Clicks) Handle(ctx context.Context, payload json.RawMessage) {
	k, ours, err := readClick(payload)
	if err != nil {
		c.log.Warn("slack told of a click that cannot be read; nothing is done", "error", err)
		return
	}
	if !ours {
		return
	}
	b, ok := c.bots[k.about.Channel]
	if !ok {
		c.log.Warn("a click on a message of a channel that fairlead.yml does not name; nothing is done", "user", k.user)
		return
	}
	b.click(ctx, k)
}

// click carries out what a person asked for, or says why not.
func (b *Bot) click(ctx context.Context, k click) {
	log := b.cfg.Log.With("user", k.user, "action", string(k.action), "release", notify.Clean(string(k.about.Release), maxName))
	if !slices.Contains(b.cfg.Buttons.Users, k.user) || k.stranger {
		log.Warn("a click of someone who may not; nothing is done")
		b.whisper(ctx, k, fmt.Sprintf("Nothing was done: only the people that fairlead.yml lists under `users` may do that. You are %s.", k.user))
		return
	}
	if b.recent.again(k.id, time.Now()) {
		log.Info("a click came twice; it counts once")
		return
	}
	what, err := b.order(ctx, k)
	if err != nil {
		log.Info("order of slack refused", "error", err)
		why := notify.Clean(err.Error(), maxReason)
		b.whisper(ctx, k, "Nothing was done: "+why)
		b.record(ctx, k, fmt.Sprintf("%s asked for %s; refused: %s", k.who(), words(k.action, k.about.lane()), why))
	} else {
		log.Info("order of slack accepted", "what", what)
		b.record(ctx, k, fmt.Sprintf("%s asked for %s", k.who(), notify.Clean(what, maxReason)))
	}
	b.redraw(ctx, k.about.Release, k.about.lane())
}

// maxReason bounds why an order is refused, in runes.
const maxReason = 500

// order submits what a click asks for, where the message is the one that was
// posted about the release.
func (b *Bot) order(ctx context.Context, k click) (what string, err error) {
	place, err := b.place(ctx, string(k.about.Release))
	if err != nil {
		return "", err
	}
	if place != k.at {
		return "", errors.New("this is not the message that Fairlead keeps about that release; use the newest one")
	}
	if by, ok := b.recent.asked(k, time.Now()); ok {
		return "", fmt.Errorf("%s asked for it just now", by)
	}
	what, err = b.cfg.Buttons.Desk.Order(ctx, release.Order{
		Action: k.action, Release: k.about.Release, Repo: k.about.Repo, Lane: k.about.lane(), Actor: k.who(),
	})
	if err != nil {
		b.recent.forget(k)
	}
	return what, err
}

// whisper answers a click so that only the person sees it.
func (b *Bot) whisper(ctx context.Context, k click, text string) {
	err := checkReply(k.reply, b.cfg.BaseURL)
	var body []byte
	if err == nil {
		body, err = json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": escape(text, maxFallback)})
	}
	var reply post.Reply
	if err == nil {
		reply, err = b.client.Do(ctx, post.Request{URL: k.reply, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: body})
	}
	if err == nil {
		err = reply.Check()
	}
	if err != nil {
		b.cfg.Log.Warn("a click was not answered", "user", k.user, "error", err)
	}
}

// recordTries is how often the thread is told of a click before that is given up.
const recordTries = 3

// record tells the message's thread what a person asked for.
func (b *Bot) record(ctx context.Context, k click, text string) {
	section := plain(text, maxText)
	p := quiet(payload{Channel: k.at.channel, ThreadTS: k.at.ts, Text: escape(text, maxFallback), Blocks: []block{{Type: "section", Text: &section}}})
	var err error
	for range recordTries {
		if _, err = b.call(ctx, "chat.postMessage", p); err == nil {
			return
		}
		pause, again := pauseAfter(err)
		if !again || !sleep(ctx, pause) {
			break
		}
	}
	b.cfg.Log.Warn("the thread was not told of a click", "user", k.user, "what", text, "error", err)
}

// pauseAfter is how long Slack wants to be left alone, where another try can
// work.
func pauseAfter(err error) (time.Duration, bool) {
	e, ok := errors.AsType[*notify.Error](err)
	if !ok || e.Kind != notify.Temporary {
		return 0, false
	}
	return max(e.RetryAfter, Pace), true
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Bounds of what is remembered of clicks.
const (
	recentFor  = 10 * time.Minute // longer than Slack tells of a click again
	recentMost = 1000
	justNow    = 10 * time.Second // two people who press the same button mean one thing
)

// recent remembers clicks, so that none counts twice.
type recent struct {
	mu     sync.Mutex
	clicks map[string]time.Time
	orders map[string]asked
}

type asked struct {
	by string
	at time.Time
}

// again tells whether a click was told before.
func (r *recent) again(id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, at := range r.clicks {
		if now.Sub(at) > recentFor {
			delete(r.clicks, old)
		}
	}
	if _, known := r.clicks[id]; known {
		return true
	}
	if r.clicks == nil {
		r.clicks = map[string]time.Time{}
	}
	if len(r.clicks) < recentMost {
		r.clicks[id] = now
	}
	return false
}

// asked tells who asked for the same a moment ago, else remembers that this
// person did.
func (r *recent) asked(k click, now time.Time) (by string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.orders {
		if now.Sub(a.at) > justNow {
			delete(r.orders, key)
		}
	}
	key := orderKey(k)
	if a, known := r.orders[key]; known {
		return a.by, true
	}
	if r.orders == nil {
		r.orders = map[string]asked{}
	}
	r.orders[key] = asked{k.who(), now}
	return "", false
}

// forget makes room for another try of what was refused.
func (r *recent) forget(k click) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.orders, orderKey(k))
}

func orderKey(k click) string { return string(k.action) + " " + string(k.about.Release) }
