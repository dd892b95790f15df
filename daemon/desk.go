package daemon

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/buttons"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/notify/heartbeat"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
)

// desk passes people's orders on to the parts in force.
type desk struct{ d *Daemon }

// Submit accepts an order.
func (k desk) Submit(ctx context.Context, o server.Order) error {
	p := k.d.current()
	if _, ok := p.conf.Repositories[o.Repo]; !ok {
		return unknownRepo(o.Repo)
	}
	if o.Action == server.Hold {
		return explained(p.deployer.Hold(ctx, o.Request(), o.Why))
	}
	return explained(p.deployer.Command(ctx, o.Request()))
}

// Name names the release that comes of an order, by the commit that the
// repository is at.
func (k desk) Name(ctx context.Context, repo string) (release.ID, error) {
	looks, err := k.d.store.Looks(ctx)
	if err != nil {
		return "", err
	}
	rev := release.Revision{Repo: repo}
	for _, l := range looks {
		if l.Repo == repo {
			rev.SHA = l.Tip
		}
	}
	return release.NewID(time.Now(), rev, k.d.random.draw()), nil
}

// Plan previews the newest commit.
func (k desk) Plan(ctx context.Context, repo, destination string) (release.Plan, error) {
	p := k.d.current()
	if _, ok := p.conf.Repositories[repo]; !ok {
		return release.Plan{}, unknownRepo(repo)
	}
	plan, err := p.deployer.PreviewLast(ctx, release.Request{Revision: release.Revision{Repo: repo}, Destination: destination})
	return plan, explained(err)
}

// TestNotify sends a test message to every channel.
func (k desk) TestNotify(ctx context.Context) ([]server.Sent, error) {
	p := k.d.current()
	sent := []server.Sent{}
	for _, ch := range p.conf.Notify {
		s := server.Sent{Channel: ch.Name}
		if err := p.outbox.Test(ctx, ch.Name); err != nil {
			s.Error = err.Error()
		}
		s.Buttons = buttonsOf(buttons.Try(ctx, p.conf, ch.Name))
		sent = append(sent, s)
	}
	return sent, nil
}

// buttonsOf says how a test of a channel's buttons went.
func buttonsOf(has bool, err error) string {
	switch {
	case !has:
		return ""
	case err != nil:
		return err.Error()
	}
	return server.ButtonsWork
}

func unknownRepo(name string) error {
	return &server.Error{Status: http.StatusNotFound, Message: "repository " + name + " is not in fairlead.yml", Hint: "`fairlead status` lists those that are"}
}

func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, deployer.ErrUnknown):
		return &server.Error{Status: http.StatusConflict, Message: err.Error()}
	default:
		return &server.Error{Status: http.StatusUnprocessableEntity, Message: err.Error()}
	}
}

// silence is how long a repository may not have been looked at, or a message
// not have been sent, before the heartbeat stops: several times what is usual.
func silence(poll time.Duration) time.Duration { return 4*max(poll, 0) + 2*time.Minute }

func (d *Daemon) newHeartbeat(c *config.Config) (*heartbeat.Heartbeat, error) {
	if c.Heartbeat == nil {
		return nil, nil
	}
	url, err := c.Heartbeat.URL.Resolve()
	if err != nil {
		return nil, err
	}
	return heartbeat.New(heartbeat.Config{
		URL: url, Every: c.Heartbeat.Every, Log: d.o.Log,
		Healthy: func() (bool, string) { return d.healthy(c) },
	})
}

// healthy says whether every repository was looked at in time and the outbox
// drains.
func (d *Daemon) healthy(c *config.Config) (bool, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	looks, err := d.store.Looks(ctx)
	if err != nil {
		return false, err.Error()
	}
	seen := map[string]time.Time{}
	for _, l := range looks {
		seen[l.Repo] = l.OKFrom
	}
	for name, r := range c.Repositories {
		if r.Poll >= 0 && r.Schedule == "" && time.Since(seen[name]) > silence(r.Poll) {
			return false, "repository " + name + " was not seen since " + seen[name].Format(time.RFC3339)
		}
	}
	backlogs, err := d.store.Backlogs(ctx)
	if err != nil {
		return false, err.Error()
	}
	for _, b := range backlogs {
		if !b.Oldest.IsZero() && time.Since(b.Oldest) > silence(0) {
			return false, "channel " + b.Channel + " does not take messages since " + b.Oldest.Format(time.RFC3339)
		}
	}
	return true, ""
}
