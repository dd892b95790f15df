package slack

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
)

// Limits of buttons, docs.slack.dev/reference/block-kit (2026), in characters.
const (
	maxValue        = 2000
	maxConfirmTitle = 100
	maxConfirmText  = 300
)

// actionPrefix begins the action ids that are ours.
const actionPrefix = "fairlead."

// button is one element of an actions block.
type button struct {
	Type     string   `json:"type"` // "button"
	Text     object   `json:"text"`
	ActionID string   `json:"action_id"`
	Value    string   `json:"value"`
	Style    string   `json:"style,omitempty"` // "primary", "danger"
	Confirm  *confirm `json:"confirm,omitempty"`
}

// confirm asks once more before a click counts.
type confirm struct {
	Title   object `json:"title"`
	Text    object `json:"text"`
	Confirm object `json:"confirm"`
	Deny    object `json:"deny"`
	Style   string `json:"style,omitempty"`
}

// bound is what a button is bound to. It travels through Slack as its value.
type bound struct {
	Channel     string     `json:"channel"` // of the outbox: whose message it is
	Release     release.ID `json:"release"`
	Repo        string     `json:"repo"`
	Service     string     `json:"service"`
	Destination string     `json:"destination,omitempty"`
}

func (b bound) lane() release.Lane {
	return release.Lane{Service: b.Service, Destination: b.Destination}
}

// fitting are the actions that make sense for the newest release of a lane, as
// it stands. held is nil where nobody holds the lane.
func fitting(r release.Release, held *release.Hold) []release.Action {
	if held != nil {
		return whileHeld(r, *held)
	}
	switch r.Status {
	case release.Preparing, release.Switching, release.Watching:
		// Whether it will have succeeded when the order's turn comes is open, so
		// that only another version says without doubt what to go back to.
		if r.Previous != "" && r.Previous != r.Version {
			return []release.Action{release.ActionRollback, release.ActionHold}
		}
		return []release.Action{release.ActionHold}
	case release.Succeeded:
		if r.Previous != "" {
			return []release.Action{release.ActionRollback, release.ActionHold}
		}
		return []release.Action{release.ActionHold}
	case release.NeedsHuman:
		return []release.Action{release.ActionRetry, release.ActionRollback, release.ActionHold}
	case release.Failed, release.RolledBack:
		return []release.Action{release.ActionRetry, release.ActionHold}
	case release.Waiting:
		if quarantined(r) {
			return []release.Action{release.ActionRetry, release.ActionHold}
		}
		return []release.Action{release.ActionHold}
	case release.RollingBack:
		return []release.Action{release.ActionHold}
	}
	return nil
}

// whileHeld are the actions while a person holds the lane. A hold that came with
// a rollback or a version has no way back offered: that would lead to what the
// person went away from.
func whileHeld(r release.Release, held release.Hold) []release.Action {
	chosen := strings.HasPrefix(held.Why, "rollback") || strings.HasPrefix(held.Why, "deploy")
	if r.Status == release.Succeeded && r.Previous != "" && !chosen {
		return []release.Action{release.ActionResume, release.ActionRollback}
	}
	return []release.Action{release.ActionResume}
}

// quarantined tells a release that waits because the same failed before from
// one that waits for a first yes, which no button gives.
func quarantined(r release.Release) bool { return strings.HasPrefix(r.Reason, "quarantined") }

// row draws the buttons of a release in a channel; false where there is none.
func row(channel string, r release.Release, actions []release.Action) (block, bool) {
	value, err := json.Marshal(bound{channel, r.ID, r.Revision.Repo, r.Lane.Service, r.Lane.Destination})
	if err != nil || units(string(value)) > maxValue || len(actions) == 0 {
		return block{}, false
	}
	all := block{Type: "actions"}
	for _, a := range actions {
		b := button{Type: "button", Text: label(a), ActionID: actionPrefix + string(a), Value: string(value)}
		switch a {
		case release.ActionRollback:
			b.Style, b.Confirm = "danger", sure(r)
		case release.ActionRetry, release.ActionResume:
			b.Style = "primary"
		}
		all.Elements = append(all.Elements, b)
	}
	return all, true
}

func label(a release.Action) object {
	return plain(map[release.Action]string{
		release.ActionRollback: "Rollback", release.ActionRetry: "Retry", release.ActionHold: "Hold", release.ActionResume: "Resume",
	}[a], 20)
}

// sure asks before a rollback.
func sure(r release.Release) *confirm {
	text := "All hosts go back to the release that worked before, and stay there until someone resumes. A database migration is not undone."
	return &confirm{
		Title: plain(fmt.Sprintf("Roll %s back?", r.Lane), maxConfirmTitle), Text: plain(text, maxConfirmText),
		Confirm: plain("Roll back", 20), Deny: plain("Cancel", 20), Style: "danger",
	}
}
