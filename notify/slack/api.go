package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/notify"
	"github.com/fairlead-deploy/fairlead/notify/post"
)

// payload is the body of chat.postMessage, chat.update and incoming webhooks.
type payload struct {
	Channel     string  `json:"channel,omitempty"`
	TS          string  `json:"ts,omitempty"`
	ThreadTS    string  `json:"thread_ts,omitempty"`
	Text        string  `json:"text"` // for notifications and screen readers
	Blocks      []block `json:"blocks"`
	Parse       string  `json:"parse,omitempty"`
	LinkNames   bool    `json:"link_names"`
	UnfurlLinks bool    `json:"unfurl_links"`
	UnfurlMedia bool    `json:"unfurl_media"`
}

// answer is what the Web API replies.
type answer struct {
	OK      bool   `json:"ok"`
	Error   string `json:"error"`
	Channel string `json:"channel"` // the id, also when we said a name
	TS      string `json:"ts"`
}

// apiError is an "ok": false.
type apiError struct{ code string }

func (e *apiError) Error() string {
	return fmt.Sprintf("slack answered %s%s", notify.Clean(e.code, 100), remedy(e.code))
}

// call calls a method of the Web API.
func (b *Bot) call(ctx context.Context, method string, p payload) (answer, error) {
	header := http.Header{"Authorization": {"Bearer " + b.cfg.Token.Reveal()}}
	reply, err := send(ctx, b.client, secret.New(b.cfg.BaseURL+"/"+method), header, p)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(reply.Body, &a); err != nil {
		return answer{}, &notify.Error{Err: errors.New("read slack's answer: it is not JSON: is something between us and slack?")}
	}
	if !a.OK {
		return answer{}, &notify.Error{Kind: kindOf(a.Error), Err: &apiError{a.Error},
			RetryAfter: notify.ParseRetryAfter(reply.Header.Get("Retry-After"), time.Now())}
	}
	return a, nil
}

func send(ctx context.Context, client *post.Client, url secret.Value, header http.Header, p payload) (post.Reply, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return post.Reply{}, &notify.Error{Kind: notify.Refused, Err: fmt.Errorf("encode message: %w", err)}
	}
	header.Set("Content-Type", "application/json; charset=utf-8")
	reply, err := client.Do(ctx, post.Request{URL: url, Header: header, Body: body})
	if err != nil {
		return post.Reply{}, err
	}
	return reply, reply.Check()
}

// kindOf classifies the errors of chat.postMessage and chat.update
// (docs.slack.dev/reference/methods/chat.postMessage). One that we do not know
// parks the channel: nothing is lost, and a person is told.
func kindOf(code string) notify.Kind {
	switch {
	case slices.Contains([]string{"ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error",
		"service_unavailable", "request_timeout", "team_added_to_org"}, code):
		return notify.Temporary
	case slices.Contains([]string{"invalid_blocks", "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long", "no_text",
		"too_many_attachments", "invalid_json", "json_not_object", "invalid_arguments", "invalid_arg_name",
		"metadata_too_large", "restricted_action_thread_locked", "cannot_reply_to_message"}, code):
		return notify.Refused
	}
	return notify.Broken
}

// remedy says what to do about an error that people meet.
func remedy(code string) string {
	switch code {
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive":
		return ": the bot token is not valid any more: make a new one and put it where fairlead.yml says"
	case "channel_not_found", "not_in_channel":
		return ": invite the app to the channel, or correct its name in fairlead.yml"
	case "is_archived":
		return ": the channel is archived: name another one in fairlead.yml"
	case "missing_scope":
		return ": give the app the scope chat:write"
	}
	return ""
}

// gone tells that a message cannot be edited any more.
func gone(err error) bool {
	e, ok := errors.AsType[*apiError](err)
	return ok && slices.Contains([]string{"message_not_found", "cant_update_message", "edit_window_closed"}, e.code)
}
