// Package heartbeat tells a dead man's switch that Fairlead is alive and does
// its work, so that silence itself is the alarm.
//
// Lives here: the rhythm. May not live here: what healthy means; the daemon
// says that.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify/post"
)

// shortest is the least time between two pings.
const shortest = time.Second

// Config says where and how often.
type Config struct {
	URL   secret.Value // it often has a token in it
	Every time.Duration
	// Healthy says whether to ping, and if not, why.
	Healthy func() (ok bool, reason string)
	Log     *slog.Logger // nil: discard
}

// Heartbeat pings.
type Heartbeat struct {
	cfg    *Config // behind a pointer, for fmt looks into unexported fields
	client *post.Client
}

// New checks the configuration.
func New(cfg Config) (*Heartbeat, error) {
	if err := post.CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("read heartbeat url: %w", err)
	}
	if cfg.Every < shortest {
		return nil, fmt.Errorf("read heartbeat interval: %s is too short: write 1s or more", cfg.Every)
	}
	if cfg.Healthy == nil {
		return nil, errors.New("make heartbeat: nothing says whether the daemon is healthy")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Heartbeat{cfg: &cfg, client: post.New()}, nil
}

// Run pings at once and then every interval while Healthy says so, until ctx
// ends. A ping that fails is logged when that begins and when it ends.
func (h *Heartbeat) Run(ctx context.Context) error {
	defer h.client.Close()
	tick := time.NewTicker(h.cfg.Every)
	defer tick.Stop()
	was := ""
	for {
		now := h.beat(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case now != "" && was == "":
			h.cfg.Log.Warn("heartbeat stopped", "reason", now)
		case now == "" && was != "":
			h.cfg.Log.Info("heartbeat resumed")
		}
		was = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// beat pings once if healthy and says why the ping did not arrive.
func (h *Heartbeat) beat(ctx context.Context) string {
	if ok, reason := h.cfg.Healthy(); !ok {
		return "unhealthy: " + reason
	}
	reply, err := h.client.Do(ctx, post.Request{Method: http.MethodGet, URL: h.cfg.URL})
	if err == nil {
		err = reply.Check()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
