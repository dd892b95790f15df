package daemon

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/daemon/buttons"
	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/daemon/fanout"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/outbox"
	"github.com/fairlead-deploy/fairlead/notify/slack"
	"github.com/fairlead-deploy/fairlead/notify/webhook"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// repositories turns the configuration into what the watcher watches.
func repositories(c *config.Config) ([]watcher.Repository, error) {
	var list []watcher.Repository
	var errs []error
	for name, all := range projects(c) {
		r := c.Repositories[all[0].Name]
		auth, err := gitAuth(c, r)
		if err != nil {
			errs = append(errs, fmt.Errorf("repositories.%s: %w", name, err))
			continue
		}
		w := watcher.Repository{
			Name: name, URL: r.URL, Auth: auth, Branch: cmp.Or(r.Tag, r.Branch),
			Poll: r.Poll, Schedule: r.Schedule, Zone: r.Timezone, Reconcile: c.Reconcile,
		}
		for _, p := range all {
			w.Paths = append(w.Paths, p.Globs()...)
		}
		list = append(list, w)
	}
	return list, errors.Join(errs...)
}

// projects are those of each repository that is watched, by its name.
func projects(c *config.Config) map[string][]fanout.Project {
	all := map[string][]fanout.Project{}
	for _, name := range slices.Sorted(maps.Keys(c.Repositories)) {
		r := c.Repositories[name]
		watched := cmp.Or(r.Watched, name)
		all[watched] = append(all[watched], fanout.Project{Name: name, Folder: r.Folder, File: r.ConfigFile, Paths: r.Paths})
	}
	return all
}

// openRepository prepares to read a repository with all that the deploy files
// of its projects name.
func openRepository(c *config.Config, m *mirror.Mirror, all []fanout.Project) *commits.Repository {
	r := commits.New(m, nil)
	for _, p := range all {
		r.With(p.Folder, readings(c.Repositories[p.Name]))
	}
	return r
}

// readings are the ways in which a repository's deploy.yml is read.
func readings(r config.Repository) []spec.Options {
	list := r.Destinations
	if len(list) == 0 {
		list = []string{""}
	}
	var ways []spec.Options
	for _, name := range list {
		// No command of its templates runs, so that none needs an end.
		ways = append(ways, settingsOf(r).Reading(context.Background(), release.Request{Destination: name}))
	}
	return ways
}

// destinations submits each commit to every destination of its repository.
type destinations struct {
	conf     *config.Config
	deployer *deployer.Deployer
}

// Submit passes a commit on, once per destination.
func (d destinations) Submit(ctx context.Context, req release.Request, files fs.FS) error {
	list := d.conf.Repositories[req.Revision.Repo].Destinations
	if len(list) == 0 {
		list = []string{""}
	}
	var errs []error
	for _, name := range list {
		req.Destination = name
		errs = append(errs, d.deployer.Submit(ctx, req, files))
	}
	return errors.Join(errs...)
}

func gitAuth(c *config.Config, r config.Repository) (mirror.Auth, error) {
	a := mirror.Auth{User: r.Auth.User, KnownHosts: c.SSH.KnownHosts}
	if r.Auth.KnownHosts != "" {
		a.KnownHosts = []string{r.Auth.KnownHosts}
	}
	if !r.Auth.Token.IsZero() {
		token, err := r.Auth.Token.Resolve()
		if err != nil {
			return a, err
		}
		a.Token = token
	}
	if !isSSH(r.URL) {
		return a, nil
	}
	keys := c.SSH.Keys
	if r.Auth.SSHKey != "" {
		keys = []string{r.Auth.SSHKey}
	}
	for _, file := range keys {
		text, err := os.ReadFile(file)
		if err != nil {
			return a, fmt.Errorf("read ssh key: %w", err)
		}
		signer, err := ssh.ParsePrivateKey(text)
		if err != nil {
			return a, fmt.Errorf("read ssh key %s: %w", file, err)
		}
		a.Signers = append(a.Signers, signer)
	}
	return a, nil
}

// isSSH tells ssh://… and user@host:path from the other forms.
func isSSH(url string) bool {
	return strings.HasPrefix(url, "ssh://") || !strings.Contains(url, "://") && strings.Contains(url, "@")
}

func (d *Daemon) newOutbox(ctx context.Context, c *config.Config) (*outbox.Outbox, []*buttons.App, error) {
	var channels []outbox.Channel
	var errs []error
	bots := map[string]*slack.Bot{}
	for _, ch := range c.Notify {
		made, err := d.channel(ch)
		if err != nil {
			errs = append(errs, fmt.Errorf("notify %s: %w", ch.Name, err))
			continue
		}
		channels = append(channels, made)
		if b, ok := made.Notifier.(*slack.Bot); ok {
			bots[ch.Name] = b
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	apps, err := buttons.Apps(ctx, c, buttons.Options{Store: d.store, Bots: bots, Random: d.random.Float64, Log: d.o.Log})
	if err != nil {
		return nil, nil, err
	}
	box, err := outbox.New(ctx, d.store, d.store, channels, outbox.Options{Log: d.o.Log, Random: d.random.Float64})
	return box, apps, err
}

// channel makes the notifier of one configured channel.
func (d *Daemon) channel(ch config.Channel) (outbox.Channel, error) {
	made := outbox.Channel{Name: ch.Name, Rule: notify.Rule{Statuses: ch.On, Services: ch.Services, Every: ch.Every, Quiet: !ch.Alerts}}
	var err error
	switch {
	case ch.Slack != nil && !ch.Slack.Token.IsZero():
		made.Notifier, err = d.slackBot(ch)
		made.Edited, made.Pace = true, slack.Pace
		made.Rule.Every = made.Rule.Every || len(ch.On) == 0 // its one message follows the release
	case ch.Slack != nil:
		var url secret.Value
		if url, err = ch.Slack.URL.Resolve(); err == nil {
			made.Notifier, err = slack.NewIncoming(url)
		}
		made.Pace = slack.Pace
	default:
		made.Notifier, err = webhookTo(ch.Webhook)
	}
	return made, err
}

func (d *Daemon) slackBot(ch config.Channel) (*slack.Bot, error) {
	token, err := ch.Slack.Token.Resolve()
	if err != nil {
		return nil, err
	}
	cfg := slack.Config{Name: ch.Name, Token: token, Channel: ch.Slack.Channel, BaseURL: ch.Slack.API, Log: d.o.Log.With("channel", ch.Name)}
	if ch.Slack.Buttons() {
		cfg.Buttons = &slack.Buttons{Users: ch.Slack.Users, Desk: buttons.Orders{Store: d.store, Submit: desk{d}.Submit}, Standing: d.store}
	}
	return slack.NewBot(cfg, d.store)
}

func webhookTo(h *config.Hook) (*webhook.Webhook, error) {
	url, err := h.URL.Resolve()
	if err != nil {
		return nil, err
	}
	cfg := webhook.Config{URL: url}
	if !h.Secret.IsZero() {
		if cfg.Secret, err = h.Secret.Resolve(); err != nil {
			return nil, err
		}
	}
	return webhook.New(cfg)
}

// ownerID names this installation in the locks it takes. It is made once and
// kept in the data folder, so that after a crash a lock is known as our own.
func ownerID(dir string) (string, error) {
	file := filepath.Join(dir, "id")
	text, err := os.ReadFile(file)
	if err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read installation id: %w", err)
	}
	random := make([]byte, 4)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "fairlead"
	}
	id := name + "-" + hex.EncodeToString(random)
	if err := os.WriteFile(file, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write installation id: %w", err)
	}
	return id, nil
}
