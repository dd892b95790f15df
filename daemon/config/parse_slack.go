package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// memberID is how Slack names a person: U…, or W… in an Enterprise Grid.
var memberID = regexp.MustCompile(`^[UW][A-Z0-9]{2,30}$`)

func (r *reader) slack(n at) *Slack {
	var s Slack
	seen := r.fields(n, map[string]take{
		"token":     r.ref(&s.Token),
		"channel":   r.text(&s.Channel),
		"url":       r.ref(&s.URL), // whoever has it can post
		"app_token": r.ref(&s.AppToken),
		"users":     r.members(&s.Users),
		"api":       r.webAPI(&s.API),
	})
	if n.Kind != yaml.MappingNode {
		return &s
	}
	r.oneOf(seen, "token", "url")
	_, incoming := seen["url"]
	if !incoming {
		r.required(n, seen, `slack is { token: { env: NAME }, channel: "#deploys" }, or { url: { env: NAME } } of an incoming webhook`, "token", "channel")
	}
	r.buttons(seen, incoming)
	return &s
}

// buttons checks that what makes them is there as a whole.
func (r *reader) buttons(seen map[string]at, incoming bool) {
	token, tokens := seen["app_token"]
	users, listed := seen["users"]
	switch {
	case incoming:
		for _, key := range []string{"app_token", "users", "api"} {
			if n, ok := seen[key]; ok {
				r.problem(n, "write token and channel of a bot instead of url, or remove it", "an incoming webhook has no use for it")
			}
		}
	case tokens && !listed:
		r.problem(token, "add users: [U012ABC4D], the member ids of those who may click", "without users there are no buttons")
	case listed && !tokens:
		r.problem(users, "add app_token: { env: SLACK_APP_TOKEN }, an app-level token (xapp-…) with the scope connections:write", "without app_token there are no buttons")
	}
}

// members reads a list of people, as Slack names them.
func (r *reader) members(to *[]string) take {
	return func(n at) {
		items := r.items(n)
		if len(items) == 0 {
			r.problem(n, "name at least one, or remove app_token too", "nobody may click")
		}
		for _, item := range items {
			var s string
			r.text(&s)(item)
			switch {
			case s == "":
			case !memberID.MatchString(s):
				r.problem(item, "write the member id, such as U012ABC4D: in Slack, the person's profile, ⋮, Copy member ID", "%q is no member id of Slack", shorten(s))
			case slices.Contains(*to, s):
				r.problem(item, "remove one of them", "%s is listed twice", s)
			default:
				*to = append(*to, s)
			}
		}
	}
}

// webAPI reads the address of a web API that tokens are sent to: never in the
// clear over a network.
func (r *reader) webAPI(to *string) take {
	return func(n at) {
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		u, err := url.Parse(s)
		switch {
		case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			r.problem(n, "write https://slack.com/api, or https://slack-gov.com/api", "it is no address of a web API")
		case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
			*to = strings.TrimRight(s, "/")
		default:
			r.problem(n, "write https://…", "tokens would travel in the clear")
		}
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}
