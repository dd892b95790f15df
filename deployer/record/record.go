// Package record is what is stored of a release beside its status: what it was
// made of, what it goes back to, and which effects it began and ended.
//
// Lives here: that form, and reading and writing it. May not live here: any
// decision on it, the database.
package record

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/release"
)

// Effects keeps what a release meant to do and did, and what it was made of.
type Effects interface {
	Intend(ctx context.Context, id release.ID, step string, payload []byte) error
	Done(ctx context.Context, id release.ID, step, result string) error
	SaveConfig(ctx context.Context, id release.ID, body []byte) error
	// Config returns nil when nothing was saved.
	Config(ctx context.Context, id release.ID) ([]byte, error)
}

// Kept is what is stored of a release before its first effect: what to go back
// to after a crash, and what to make it of again for a later rollback.
type Kept struct {
	Baseline *plan.Baseline    `json:"baseline,omitempty"` // nil before the first effect
	Files    map[string]string `json:"files"`
	File     string            `json:"file,omitempty"` // of Files, the deploy.yml itself
	Version  string            `json:"version"`
	Digest   string            `json:"digest"`
	// Brings says that it brings changed secrets to what worked before.
	Brings bool `json:"brings,omitempty"`
	// Origin is the release whose containers a rollback brought back.
	Origin release.ID `json:"origin,omitempty"`
	// Hosts are those that Baseline is about, whether or not something ran there.
	Hosts []string `json:"hosts,omitempty"`
	// Found are the ids of the containers that were as wanted when it began, so
	// that it did not make them: what another release made, of whatever end.
	Found []string `json:"found,omitempty"`
	// Scale is how many containers per host a person wanted of roles.
	Scale map[string]int `json:"scale,omitempty"`
	// Request is what a person asked for, or what a mending was limited to by
	// what it mends; nil otherwise.
	Request *release.Request `json:"request,omitempty"`
}

// Read reads what is stored of a release; it is empty where nothing is.
func Read(ctx context.Context, e Effects, id release.ID) (Kept, error) {
	var k Kept
	body, err := e.Config(ctx, id)
	if err != nil || body == nil {
		return k, err
	}
	if err := json.Unmarshal(body, &k); err != nil {
		return k, fmt.Errorf("read what %s was made of: %w", id, err)
	}
	return k, nil
}

// Without returns those of the hosts that it is not about yet.
func (k Kept) Without(hosts []string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(name string) bool { return slices.Contains(k.Hosts, name) })
}

// And returns Found with more, each once.
func (k Kept) And(more []string) []string {
	all := slices.Clone(k.Found)
	for _, id := range more {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	return all
}

// Left returns what the releases that succeeded, newest first, left on each of
// the hosts: traces of the newest that was put on it and, where that was about
// a part of them, of the ones before it. A host that a release left out has
// what an earlier one left.
func Left(ctx context.Context, e Effects, good []release.Release, hosts []string) (map[string]plan.Left, error) {
	left, open := map[string]plan.Left{}, slices.Clone(hosts)
	for _, r := range good {
		if len(open) == 0 {
			break
		}
		k, err := Read(ctx, e, r.ID)
		if err != nil {
			return nil, err
		}
		open = slices.DeleteFunc(open, func(name string) bool {
			if len(r.Hosts) > 0 && !history.RanOn(r, name) {
				return false
			}
			l := left[name]
			if l.Newest.ID == "" {
				l.Newest = r
			}
			l.Traces = append(append(l.Traces, string(r.ID)), append(k.Found, string(k.Origin))...)
			left[name] = l
			return r.Only == "" && !history.Mends(r)
		})
	}
	return left, nil
}

// Followed leaves out the newest of the releases that succeeded by which a
// person chose a version, and what mended these: Git did not lead there.
func Followed(ctx context.Context, e Effects, good []release.Release) ([]release.Release, error) {
	for i, r := range good {
		if history.Mends(r) && i+1 < len(good) {
			continue // it is as the one before
		}
		if r.Cause.Kind == release.CauseManual {
			k, err := Read(ctx, e, r.ID)
			if err != nil {
				return nil, err
			}
			if k.Request != nil && (k.Request.Chooses()) {
				continue
			}
		}
		return good[i:], nil
	}
	return nil, nil
}

// Write stores it.
func (k Kept) Write(ctx context.Context, e Effects, id release.ID) error {
	body, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("write what %s is made of: %w", id, err)
	}
	return e.SaveConfig(ctx, id, body)
}

// Journal binds a release to its effects.
type Journal struct {
	Effects Effects
	ID      release.ID
}

// Intend writes down a step before it is done.
func (j Journal) Intend(ctx context.Context, step string) error {
	return j.Effects.Intend(ctx, j.ID, step, nil)
}

// Done writes down what came of it, though ctx has ended meanwhile.
func (j Journal) Done(ctx context.Context, step, result string) error {
	return j.Effects.Done(context.WithoutCancel(ctx), j.ID, step, result)
}
