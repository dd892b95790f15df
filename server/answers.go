package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
)

// Action is what an order asks for.
type Action string

// The actions.
const (
	Deploy   Action = "deploy"   // the newest commit, or Version; forces nothing unless Force
	Rollback Action = "rollback" // the last success before the current one, or Version; holds
	Retry    Action = "retry"    // lift the quarantine and try again
	Resume   Action = "resume"   // end a hold, follow Git again
	Hold     Action = "hold"     // stay at what runs now
	Scale    Action = "scale"    // another number of containers of what is live; holds
)

// MaxScale is the most containers of a role on a host.
const MaxScale = 100

func actions() []Action { return []Action{Deploy, Rollback, Retry, Resume, Hold, Scale} }

// Order is what a person asks for.
type Order struct {
	Action      Action   `json:"action"`
	Repo        string   `json:"repo"`
	Destination string   `json:"destination,omitempty"`
	Version     string   `json:"version,omitempty"`
	Force       bool     `json:"force,omitempty"`
	SkipHooks   bool     `json:"skip_hooks,omitempty"`
	Roles       []string `json:"roles,omitempty"`
	Hosts       []string `json:"hosts,omitempty"`
	Actor       string   `json:"actor,omitempty"` // who asks, as the command line knows it
	Why         string   `json:"why,omitempty"`   // for Hold
	// Scale is how many containers per host of each role, for Scale.
	Scale map[string]int `json:"scale,omitempty"`

	// Release is the name of the release that comes of it, which the Desk gave.
	Release release.ID `json:"-"`
}

// Request is the order as the rooms pass it on; Hold has no request.
func (o Order) Request() release.Request {
	return release.Request{
		Revision:    release.Revision{Repo: o.Repo},
		Destination: o.Destination,
		Release:     o.Release,
		Cause:       release.Cause{Kind: release.CauseManual, Actor: o.Actor},
		Version:     o.Version,
		Rollback:    o.Action == Rollback,
		Retry:       o.Action == Retry,
		Resume:      o.Action == Resume,
		Force:       o.Force,
		SkipHooks:   o.SkipHooks,
		Scale:       o.Scale,
		Roles:       o.Roles,
		Hosts:       o.Hosts,
	}
}

// check tells what is wrong with an order, nil when nothing is.
func (o Order) check() error {
	switch {
	case !slices.Contains(actions(), o.Action):
		return &Error{http.StatusBadRequest, "unknown action", "known are deploy, rollback, retry, resume, hold, scale"}
	case o.Repo == "":
		return &Error{http.StatusBadRequest, "no repository is named", "name one of fairlead.yml's"}
	case o.Version != "" && o.Action != Deploy && o.Action != Rollback:
		return &Error{http.StatusBadRequest, "only deploy and rollback take a version", "remove it"}
	case (o.Action == Scale) != (len(o.Scale) > 0):
		return &Error{http.StatusBadRequest, "scale, and nothing else, takes numbers of containers", `as in {"action": "scale", "scale": {"web": 3}}`}
	}
	for role, n := range o.Scale {
		if n < 1 || n > MaxScale {
			return &Error{http.StatusBadRequest, fmt.Sprintf("%d is no number of containers for %s", n, role), fmt.Sprintf("between 1 and %d", MaxScale)}
		}
	}
	return nil
}

// maxActor bounds the name that the history shows, in runes.
const maxActor = 64

// cleaned returns the order with an actor that is safe to show.
func (o Order) cleaned() Order {
	o.Actor, o.Why = plain(o.Actor), plain(o.Why)
	if name := []rune(o.Actor); len(name) > maxActor {
		o.Actor = string(name[:maxActor])
	}
	if strings.TrimSpace(o.Actor) == "" {
		o.Actor = "someone"
	}
	return o
}

// Sent is how a test message to one channel went.
type Sent struct {
	Channel string `json:"channel"`
	Error   string `json:"error,omitempty"` // "" when it was delivered
	// Buttons is ButtonsWork, or why they do not; "" for a channel without any.
	Buttons string `json:"buttons,omitempty"`
}

// ButtonsWork says that clicks on a channel's buttons arrive.
const ButtonsWork = "work"

// OK tells whether all of it went well.
func (s Sent) OK() bool { return s.Error == "" && (s.Buttons == "" || s.Buttons == ButtonsWork) }

// History is a page of releases, newest first.
type History struct {
	Releases []release.Release `json:"releases"`
}

// Detail is one release and what happened in it.
type Detail struct {
	Release release.Release `json:"release"`
	Events  []release.Event `json:"events"`
}

// Error is an answer that is none. It travels as JSON.
type Error struct {
	Status  int    `json:"-"` // HTTP's
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"` // the one thing to do
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}
