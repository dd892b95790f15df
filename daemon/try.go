package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/store"
	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

// tryTime bounds one test message.
const tryTime = 30 * time.Second

// TryChannel sends a test message to one channel of a configuration, beside
// the daemon or without one. The error wraps outbox.ErrNoChannel where there
// is none of that name.
func TryChannel(ctx context.Context, c *config.Config, name string) (err error) {
	i := slices.IndexFunc(c.Notify, func(ch config.Channel) bool { return ch.Name == name })
	if i < 0 {
		var names []string
		for _, ch := range c.Notify {
			names = append(names, fmt.Sprintf("%q", ch.Name))
		}
		return fmt.Errorf("%w %q; fairlead.yml has %s", outbox.ErrNoChannel, name, strings.Join(names, ", "))
	}
	dir, err := os.MkdirTemp("", "fairlead-") // a bot wants to remember what it posted
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	memory, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	d := &Daemon{o: Options{Log: slog.New(slog.DiscardHandler)}, store: memory}
	ch, err := d.channel(c.Notify[i])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tryTime, errors.New("no answer within 30s"))
	defer cancel()
	return ch.Notifier.Notify(ctx, notify.TestMessage(time.Now()))
}

// PostReceive is a Git hook that calls the daemon at a URL about a repository.
func PostReceive(url, repo string) string { return webhook.PostReceive(url, repo) }
