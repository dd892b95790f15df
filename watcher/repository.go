package watcher

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/schedule"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// What a Repository's zero fields mean.
const (
	DefaultPoll      = 30 * time.Second
	DefaultReconcile = 5 * time.Minute
)

// DefaultPaths returns the files wanted of a commit when a repository does not
// say: deploy.yml and its variants, Kamal's folder, the secrets' references.
func DefaultPaths() []string {
	return []string{"config/deploy*.yml", "config/deploy*.yaml", "deploy*.yml", "deploy*.yaml", ".kamal/**", "config/secrets*"}
}

// Repository is what to watch. Zero fields mean the defaults.
type Repository struct {
	Name string // in fairlead.yml
	URL  string // as mirror.Remote's
	Auth mirror.Auth

	// Branch is a branch, "" for the default one, a tag pattern such as "v*",
	// or a full name that begins with refs/.
	Branch string
	// Poll is how often to look; 0 is DefaultPoll, or never when there is a
	// Schedule; below 0 is never.
	Poll time.Duration
	// Schedule is a cron expression (schedule.ParseCron) of Zone, default UTC,
	// in addition to Poll.
	Schedule string
	Zone     *time.Location

	Destination string   // goes into the requests
	Paths       []string // globs of files wanted; default DefaultPaths
	// Reconcile is how often an unchanged commit is submitted again, so that
	// hosts and secrets are read again; 0 is DefaultReconcile, below 0 never.
	Reconcile time.Duration
}

// settled fills the defaults in and parses the schedule.
func (r Repository) settled() (Repository, schedule.Cron, error) {
	var cron schedule.Cron
	if r.Name == "" {
		return r, cron, fmt.Errorf("it has no name")
	}
	if r.Schedule != "" {
		var err error
		if cron, err = schedule.ParseCron(r.Schedule, cmp.Or(r.Zone, time.UTC)); err != nil {
			return r, cron, err
		}
	}
	if r.Poll == 0 && r.Schedule == "" {
		r.Poll = DefaultPoll
	}
	if r.Poll > 0 {
		r.Poll = max(r.Poll, time.Second)
	}
	r.Reconcile = cmp.Or(r.Reconcile, DefaultReconcile)
	if len(r.Paths) == 0 {
		r.Paths = DefaultPaths()
	}
	return r, cron, nil
}
