package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/release"
)

// maxName bounds a person's name, in runes.
const maxName = 40

// click is a person's click on one of our buttons.
type click struct {
	action   release.Action
	about    bound
	user     string // member id
	name     string // as the person chose it, "" when Slack says none
	stranger bool   // of another workspace, in a channel that is shared with it
	at       where  // the message
	id       string // the same whenever Slack tells of this click
	reply    secret.Value
}

// who names the person, as history shows it: a name is free to choose, an id is
// not.
func (k click) who() string {
	if k.name == "" {
		return k.user
	}
	return k.name + " (" + k.user + ")"
}

var (
	errClick = errors.New("read click")
	memberID = regexp.MustCompile(`^[UW][A-Z0-9]{2,30}$`)
)

// readClick reads the payload of an interaction
// (docs.slack.dev/reference/interaction-payloads/block_actions-payload). It is
// false for those that are not about a button of ours.
func readClick(payload []byte) (click, bool, error) {
	var p struct {
		Type string `json:"type"`
		User struct {
			ID       string `json:"id"`
			Name     string `json:"name"`
			Username string `json:"username"`
			TeamID   string `json:"team_id"`
		} `json:"user"`
		Team *struct {
			ID string `json:"id"`
		} `json:"team"`
		Enterprise *struct{} `json:"enterprise"`
		Container  struct {
			Type      string `json:"type"`
			MessageTS string `json:"message_ts"`
			ChannelID string `json:"channel_id"`
		} `json:"container"`
		ResponseURL string `json:"response_url"`
		Actions     []struct {
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
			ActionTS string `json:"action_ts"`
		} `json:"actions"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return click{}, false, fmt.Errorf("%w: it is not as Slack documents it", errClick)
	}
	if p.Type != "block_actions" || len(p.Actions) != 1 || !strings.HasPrefix(p.Actions[0].ActionID, actionPrefix) {
		return click{}, false, nil
	}
	a := p.Actions[0]
	k := click{
		action: release.Action(strings.TrimPrefix(a.ActionID, actionPrefix)), user: p.User.ID,
		name:  strings.NewReplacer("(", "", ")", "").Replace(notify.Clean(orElse(p.User.Name, p.User.Username), maxName)),
		at:    where{p.Container.ChannelID, p.Container.MessageTS},
		reply: secret.New(p.ResponseURL),
		// A member id is unique within a workspace, or within an Enterprise Grid.
		stranger: p.Enterprise == nil && p.Team != nil && p.User.TeamID != "" && p.User.TeamID != p.Team.ID,
	}
	k.id = strings.Join([]string{k.user, a.ActionID, k.at.channel, k.at.ts, a.ActionTS}, " ")
	switch {
	case !known(k.action):
		return click{}, false, fmt.Errorf("%w: an unknown action", errClick)
	case !memberID.MatchString(k.user):
		return click{}, false, fmt.Errorf("%w: the user has no member id", errClick)
	case p.Container.Type != "message" || k.at.channel == "" || k.at.ts == "" || a.ActionTS == "":
		return click{}, false, fmt.Errorf("%w: it is on no message", errClick)
	}
	if err := readBound(a.Value, &k.about); err != nil {
		return click{}, false, err
	}
	return k, true, nil
}

func readBound(value string, to *bound) error {
	if units(value) > maxValue {
		return fmt.Errorf("%w: its value is too long", errClick)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(value)))
	d.DisallowUnknownFields()
	err := d.Decode(to)
	if _, more := d.Token(); err != nil || !errors.Is(more, io.EOF) || to.Release == "" || to.Channel == "" {
		return fmt.Errorf("%w: its value names no release", errClick)
	}
	return nil
}

func known(a release.Action) bool {
	switch a {
	case release.ActionRollback, release.ActionRetry, release.ActionHold, release.ActionResume:
		return true
	}
	return false
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// checkReply tells whether an answer to a click may be sent to an address:
// Slack's hooks over TLS, or the very host of the API.
func checkReply(address secret.Value, base string) error {
	u, err := url.Parse(address.Reveal())
	api, berr := url.Parse(base)
	if err != nil || berr != nil || u.User != nil || u.Host == "" {
		return errors.New("the response_url is no address")
	}
	hooks := u.Scheme == "https" && u.Host == "hooks."+api.Hostname()
	if !hooks && (u.Scheme != api.Scheme || u.Host != api.Host) {
		return fmt.Errorf("the response_url is not Slack's but of %s; nothing is sent there", notify.Clean(u.Host, maxName))
	}
	return nil
}

// words say what an action asks for, where nothing more is known.
func words(a release.Action, lane release.Lane) string {
	switch a {
	case release.ActionRollback:
		return "a rollback of " + lane.String()
	case release.ActionRetry:
		return "another try of " + lane.String()
	case release.ActionHold:
		return "a hold on " + lane.String()
	}
	return "an end of the hold on " + lane.String()
}
