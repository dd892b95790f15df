// Package buttons ties the buttons of Slack's messages to the rest: which
// connection serves which channels, what a click orders, and the alert where
// clicks do not arrive.
//
// Lives here: that, and the decision what an order means in view of a release.
// May not live here: Slack's protocol and messages (notify/slack), carrying an
// order out.
package buttons

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/slack"
	"github.com/fairlead-deploy/fairlead/notify/slack/socket"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// alertKey begins the keys of the alerts about the buttons of a channel.
const alertKey = "slack-buttons:"

// Options are what apps need besides the configuration.
type Options struct {
	Store  *store.Store          // of the alerts
	Bots   map[string]*slack.Bot // by channel
	Random func() float64
	Log    *slog.Logger
}

// App is one Slack app: its connection, and the channels that it serves.
type App struct {
	token    secret.Value
	api      string
	channels []string
	bots     []*slack.Bot
	socket   *socket.Client
}

// Run keeps the app's connection until ctx ends.
func (a *App) Run(ctx context.Context) error { return a.socket.Run(ctx) }

// Apps makes a connection for each Slack app whose buttons a channel has, and
// ends the alerts of those that a former configuration had. Nothing is dialled
// yet.
func Apps(ctx context.Context, c *config.Config, o Options) ([]*App, error) {
	var apps []*App
	var errs []error
	for _, ch := range c.Notify {
		if !ch.Slack.Buttons() {
			continue
		}
		token, err := ch.Slack.AppToken.Resolve()
		if err != nil {
			errs = append(errs, fmt.Errorf("notify %s: %w", ch.Name, err))
			continue
		}
		i := slices.IndexFunc(apps, func(a *App) bool { return a.token.Equal(token) && a.api == ch.Slack.API })
		if i < 0 {
			i = len(apps)
			apps = append(apps, &App{token: token, api: ch.Slack.API})
		}
		apps[i].channels, apps[i].bots = append(apps[i].channels, ch.Name), append(apps[i].bots, o.Bots[ch.Name])
	}
	for _, a := range apps {
		var err error
		if a.socket, err = socket.New(socket.Config{
			Token: a.token, BaseURL: a.api, Handle: slack.NewClicks(o.Log, a.bots...).Handle, Tell: o.tell(a.channels),
			Random: o.Random, Log: o.Log.With("channel", a.channels[0]),
		}); err != nil {
			errs = append(errs, fmt.Errorf("notify %s: %w", a.channels[0], err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	o.forget(ctx, apps)
	return apps, nil
}

// tell raises an alert where buttons do not work, and ends it.
func (o Options) tell(channels []string) func(context.Context, error) {
	return func(ctx context.Context, err error) {
		for _, name := range channels {
			ev := release.Event{Key: alertKey + name, Message: fmt.Sprintf("the buttons of %s work again", name)}
			var serr error
			if err == nil {
				_, serr = o.Store.Clear(ctx, ev)
			} else {
				ev.Message = fmt.Sprintf("the buttons of %s do not work: %v", name, err)
				_, serr = o.Store.Raise(ctx, ev)
			}
			if serr != nil && ctx.Err() == nil {
				o.Log.Warn("alert about buttons not kept", "channel", name, "error", serr)
			}
		}
	}
}

// forget ends the alerts about buttons that are not there any more.
func (o Options) forget(ctx context.Context, apps []*App) {
	alerts, err := o.Store.Alerts(ctx)
	if err != nil {
		o.Log.Warn("alerts about buttons not looked for", "error", err)
		return
	}
	now := map[string]bool{}
	for _, a := range apps {
		for _, name := range a.channels {
			now[name] = true
		}
	}
	for _, ev := range alerts {
		if name, ok := strings.CutPrefix(ev.Key, alertKey); ok && !now[name] {
			if _, err := o.Store.Clear(ctx, release.Event{Key: ev.Key, Message: name + " has no buttons any more"}); err != nil {
				o.Log.Warn("alert about buttons not ended", "channel", name, "error", err)
			}
		}
	}
}

// tryTime bounds one test of a channel's buttons.
const tryTime = 30 * time.Second

var errTry = errors.New("no answer within 30s")

// Try connects by Socket Mode as the channel's buttons need it, beside the
// daemon or without one. It is false for a channel without buttons.
func Try(ctx context.Context, c *config.Config, channel string) (has bool, err error) {
	i := slices.IndexFunc(c.Notify, func(ch config.Channel) bool { return ch.Name == channel })
	if i < 0 || !c.Notify[i].Slack.Buttons() {
		return false, nil
	}
	s := c.Notify[i].Slack
	token, err := s.AppToken.Resolve()
	if err != nil {
		return true, err
	}
	client, err := socket.New(socket.Config{Token: token, BaseURL: s.API})
	if err != nil {
		return true, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tryTime, errTry)
	defer cancel()
	return true, client.Check(ctx)
}
