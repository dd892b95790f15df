package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
)

// open asks for the address of a new connection. It is good once, and a secret.
func (c *Client) open(ctx context.Context) (secret.Value, error) {
	reply, err := c.post.Do(ctx, post.Request{
		URL:    secret.New(c.cfg.BaseURL + "/apps.connections.open"),
		Header: http.Header{"Authorization": {"Bearer " + c.cfg.Token.Reveal()}, "Content-Type": {"application/x-www-form-urlencoded"}},
	})
	if err == nil {
		err = reply.Check()
	}
	if err != nil {
		return secret.Value{}, fmt.Errorf("ask slack for a connection: %w", err)
	}
	var answer struct {
		OK    bool   `json:"ok"`
		Error string `json:"error"`
		URL   string `json:"url"`
	}
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		return secret.Value{}, &notify.Error{Err: errors.New("read slack's answer: it is not JSON; is something between us and slack?")}
	}
	if !answer.OK {
		return secret.Value{}, &notify.Error{Kind: kindOf(answer.Error), Err: errors.New("slack answered " + notify.Clean(answer.Error, maxWord) + remedy(answer.Error)),
			RetryAfter: notify.ParseRetryAfter(reply.Header.Get("Retry-After"), time.Now())}
	}
	if err := checkAddress(answer.URL, c.cfg.BaseURL); err != nil {
		return secret.Value{}, &notify.Error{Kind: notify.Broken, Err: err}
	}
	return secret.New(answer.URL), nil
}

// checkAddress refuses a connection to anywhere but the host of the API, or one
// below it, as wss-primary.slack.com is below slack.com; and one in the clear
// where the API is not.
func checkAddress(address, base string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return errors.New("slack's answer has no address to connect to; is something between us and slack?")
	}
	api, err := url.Parse(base)
	if err != nil {
		return errors.New("read slack address: it is none")
	}
	same := u.Host == api.Host || strings.HasSuffix(u.Hostname(), "."+api.Hostname()) && u.Port() == ""
	if !same || u.Scheme != strings.Replace(api.Scheme, "http", "ws", 1) {
		return fmt.Errorf("slack's answer names %s to connect to, which is not Slack's; is something between us and slack?",
			notify.Clean(u.Scheme+"://"+u.Host, maxWord))
	}
	return nil
}

// kindOf classifies the errors of apps.connections.open
// (docs.slack.dev/reference/methods/apps.connections.open). One that we do not
// know is for a person.
func kindOf(code string) notify.Kind {
	if slices.Contains([]string{"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout",
		"team_added_to_org"}, code) {
		return notify.Temporary
	}
	return notify.Broken
}

// remedy says what to do about an error that people meet, or about the reason
// of a disconnect.
func remedy(code string) string {
	switch code {
	case "missing_scope", "no_permission":
		return "; give the app-level token the scope connections:write (Basic Information, App-Level Tokens)"
	case "not_allowed_token_type":
		return "; app_token must be an app-level token (xapp-…), not a bot's (xoxb-…)"
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "access_denied":
		return "; make an app-level token with the scope connections:write (Basic Information, App-Level Tokens) and put it where app_token says"
	case "link_disabled", "socket_mode_disabled":
		return "; turn Socket Mode on in the app's settings"
	case "too_many_websockets":
		return "; more than ten programs connect with this app's token: give each Fairlead an app of its own"
	}
	return ""
}
