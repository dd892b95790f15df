package config

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/release"
)

func (r *reader) channels(n at) []Channel {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, "begin each channel with a dash: - slack: { … }", "write a list here, not %s", kindOf(n))
		return nil
	}
	var channels []Channel
	names := make(map[string]bool)
	for _, item := range r.items(n) {
		c := r.channel(item)
		if c.Name == "" {
			c.Name = freeName(c, names)
		} else if names[c.Name] {
			r.problem(item, "give it another name", "a channel before it is called %q too", shorten(c.Name))
		}
		names[c.Name] = true
		channels = append(channels, c)
	}
	return channels
}

// freeName names a channel by its kind, and by number where that is taken.
func freeName(c Channel, taken map[string]bool) string {
	base := "webhook"
	if c.Slack != nil {
		base = "slack"
		if c.Slack.Channel != "" {
			base += " " + c.Slack.Channel
		}
	}
	name := base
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s %d", base, i)
	}
	return name
}

func (r *reader) channel(n at) Channel {
	c := Channel{Alerts: true}
	seen := r.fields(n, map[string]take{
		"name":     r.text(&c.Name),
		"slack":    func(n at) { c.Slack = r.slack(n) },
		"webhook":  func(n at) { c.Webhook = r.hook(n) },
		"on":       func(n at) { r.on(n, &c) },
		"services": r.texts(&c.Services),
	})
	r.oneOf(seen, "slack", "webhook")
	if c.Slack == nil && c.Webhook == nil && n.Kind == yaml.MappingNode {
		r.problem(n, "add slack: { … } or webhook: { … }", "the channel has no receiver")
	}
	return c
}

// Words of `on:` besides the statuses.
const (
	onEvery    = "every"    // each change of status
	onAlerts   = "alerts"   // alerts and recoveries
	onFailures = "failures" // rolled_back, failed and needs_human
)

// on reads what a channel receives. Once it is written, only what it lists.
func (r *reader) on(n at, c *Channel) {
	statuses := []release.Status{
		release.Queued, release.Planning, release.Waiting, release.Preparing, release.Switching, release.Watching, release.RollingBack,
		release.Succeeded, release.RolledBack, release.Failed, release.Superseded, release.NeedsHuman, release.Unchanged,
	}
	words := []string{onEvery, onAlerts, onFailures}
	for _, s := range statuses {
		words = append(words, string(s))
	}
	c.Alerts = false
	for _, item := range r.items(n) {
		var word string
		r.choice(&word, words)(item)
		switch word {
		case "":
		case onEvery:
			c.Every = true
		case onAlerts:
			c.Alerts = true
		case onFailures:
			c.On = append(c.On, release.RolledBack, release.Failed, release.NeedsHuman)
		default:
			c.On = append(c.On, release.Status(word))
		}
	}
	slices.Sort(c.On)
	c.On = slices.Compact(c.On)
}

func (r *reader) hook(n at) *Hook {
	var h Hook
	seen := r.fields(n, map[string]take{"url": r.address(&h.URL), "secret": r.ref(&h.Secret)})
	if n.Kind == yaml.MappingNode {
		r.required(n, seen, "say where events are sent, such as https://ops.example.com/hook", "url")
	}
	return &h
}

func (r *reader) heartbeat(n at) *Heartbeat {
	h := Heartbeat{Every: DefaultHeartbeat}
	seen := r.fields(n, map[string]take{"url": r.address(&h.URL), "every": r.duration(&h.Every, false)})
	if n.Kind == yaml.MappingNode {
		r.required(n, seen, "say which address to call", "url")
	}
	return &h
}
