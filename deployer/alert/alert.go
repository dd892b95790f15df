// Package alert tells of a lane's troubles that are no release's: that the
// world is in the way, that the servers drift, that containers keep ending,
// that hosts are left out. Each is told once, and its end once.
//
// Lives here: which troubles there are, their keys and words. May not live
// here: who hears of them, and what is done about them.
package alert

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// Alerts tells of one trouble once, and of its end once.
type Alerts interface {
	Raise(ctx context.Context, ev release.Event) (bool, error)
	Clear(ctx context.Context, ev release.Event) (bool, error)
}

// Bell rings for one lane.
type Bell struct {
	Alerts Alerts
	Lane   release.Lane
}

// World tells that something in the world is waited for.
func (b Bell) World(ctx context.Context, err error) error {
	return b.raise(ctx, "world", "waiting: "+err.Error())
}

// Works ends World.
func (b Bell) Works(ctx context.Context) error { return b.clear(ctx, "world", "works again") }

// Drift tells that the servers are not as they should be, and stay so.
func (b Bell) Drift(ctx context.Context, reason string) error {
	return b.raise(ctx, "drift", reason)
}

// Undrifted ends Drift.
func (b Bell) Undrifted(ctx context.Context) error {
	return b.clear(ctx, "drift", "the servers are as they should be again")
}

// Loops tells of containers that do their work as wanted and keep ending, and
// ends that once all have run for a while.
func (b Bell) Loops(ctx context.Context, p plan.Plan, o plan.Observed) error {
	if len(p.Looping) == 0 {
		if !history.Calm(o, time.Now()) {
			return nil
		}
		return b.clear(ctx, "crashloop", "all containers keep running again")
	}
	w := p.Looping[0]
	message := fmt.Sprintf("drift: %s on %s keeps ending and is started again", w.Ref.Name, w.Unit.Host)
	if more := len(p.Looping) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return b.raise(ctx, "crashloop", message+"; it is of a release that worked: read its log with docker logs, then push what mends it")
}

// Skipped tells of hosts that are left out without anybody's wish, each with
// its reason, and ends that when none is.
func (b Bell) Skipped(ctx context.Context, hosts map[string]string) error {
	if len(hosts) == 0 {
		return b.clear(ctx, "skipped", "no host is left out any more")
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		list = append(list, name+" "+hosts[name])
	}
	return b.raise(ctx, "skipped", "left out, and caught up later: "+strings.Join(list, "; "))
}

// Newer notes that something newer is there than what runs and comes with the
// next commit, or by a person's word: what is "tag" or "secrets". It ends that
// where message is empty. Nobody is woken for it: status shows it.
func (b Bell) Newer(ctx context.Context, what, message string) error {
	if message == "" {
		return b.clear(ctx, release.Newer+what, "what runs is the newest again")
	}
	return b.raise(ctx, release.Newer+what, message)
}

// Beside tells of accessories that are not as deploy.yml says and stay, and
// ends that when all are.
func (b Bell) Beside(ctx context.Context, notes []string) error {
	if len(notes) == 0 {
		return b.clear(ctx, "accessories", "the accessories are as deploy.yml says again")
	}
	return b.raise(ctx, "accessories", strings.Join(notes, "; "))
}

func (b Bell) raise(ctx context.Context, kind, message string) error {
	_, err := b.Alerts.Raise(ctx, b.event(kind, message))
	return err
}

func (b Bell) clear(ctx context.Context, kind, message string) error {
	_, err := b.Alerts.Clear(ctx, b.event(kind, message))
	return err
}

func (b Bell) event(kind, message string) release.Event {
	return release.Event{At: time.Now(), Lane: b.Lane, Key: kind + "/" + b.Lane.String(), Message: message}
}
