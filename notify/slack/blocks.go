package slack

import (
	"strings"
	"unicode/utf16"

	"github.com/fairlead-deploy/fairlead/notify"
)

// Limits of Block Kit, docs.slack.dev/reference/block-kit (2026), in
// characters; ours are a little lower.
const (
	maxHeader   = 148
	maxText     = 2900
	maxField    = 1900
	maxFallback = 2900
	maxFields   = 10 // in one section
	maxBlocks   = 45 // of 50 in one message
)

// block is one Block Kit block; kind says which fields are used.
type block struct {
	Type     string   `json:"type"`
	Text     *object  `json:"text,omitempty"`     // header, section
	Fields   []object `json:"fields,omitempty"`   // section
	Elements []button `json:"elements,omitempty"` // actions
}

// object is a text object.
type object struct {
	Type  string `json:"type"`
	Text  string `json:"text"`
	Emoji *bool  `json:"emoji,omitempty"` // plain_text only: do not turn :words: into pictures
}

// plain is a text in which nothing is markup.
func plain(s string, limit int) object {
	no := false
	return object{Type: "plain_text", Text: orDash(escape(s, limit)), Emoji: &no}
}

// fence is a text of lines shown as they are; when it is too long the first
// lines go, for the last ones tell more.
func fence(name string, lines []string) object {
	head, tail := "*"+escape(name, 100)+"*\n```\n", "\n```"
	left := maxText - len(head) - len(tail)
	var kept []string
	for i := len(lines) - 1; i >= 0; i-- {
		line := escape(strings.ReplaceAll(lines[i], "```", "'''"), 600)
		if left -= units(line) + 1; left < 0 {
			break
		}
		kept = append([]string{line}, kept...)
	}
	return object{Type: "mrkdwn", Text: head + strings.Join(kept, "\n") + tail}
}

// blocks draws a message. Its details are left to the caller.
func blocks(m notify.Message) []block {
	header := plain(headline(m), maxHeader)
	all := []block{{Type: "header", Text: &header}}
	if m.Text != "" {
		text := plain(m.Text, maxText)
		all = append(all, block{Type: "section", Text: &text})
	}
	for rest := m.Fields; len(rest) > 0; {
		n := min(len(rest), maxFields)
		b := block{Type: "section"}
		for _, f := range rest[:n] {
			b.Fields = append(b.Fields, plain(f.Name+"\n"+f.Value, maxField))
		}
		all, rest = append(all, b), rest[n:]
	}
	if m.Next != "" {
		next := plain("Next: "+m.Next, maxText)
		all = append(all, block{Type: "section", Text: &next})
	}
	return all[:min(len(all), maxBlocks)]
}

// detailBlocks draws the long parts.
func detailBlocks(m notify.Message) []block {
	var all []block
	for _, d := range m.Details {
		text := fence(d.Name, d.Lines)
		all = append(all, block{Type: "section", Text: &text})
	}
	return all
}

func headline(m notify.Message) string { return sign(m.Level) + " " + m.Title }

func sign(l notify.Level) string {
	switch l {
	case notify.Good:
		return "✅"
	case notify.Warn:
		return "⚠️"
	case notify.Bad:
		return "❌"
	}
	return "ℹ️"
}

// escape makes text inert: "&", "<" and ">" are all that begins markup,
// mentions and links in Slack (docs.slack.dev/messaging/formatting-message-text).
// What is longer than limit ends in "…", never within an escape.
func escape(s string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		piece := string(r)
		switch r {
		case '&':
			piece = "&amp;"
		case '<':
			piece = "&lt;"
		case '>':
			piece = "&gt;"
		}
		if n += units(piece); n > limit-1 {
			b.WriteString("…")
			return b.String()
		}
		b.WriteString(piece)
	}
	return b.String()
}

// units counts UTF-16 code units: a picture is two characters to Slack.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// orDash replaces an empty text, which Slack refuses.
func orDash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return s
}
