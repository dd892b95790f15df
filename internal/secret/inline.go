package secret

import (
	"context"
	"regexp"
	"strings"
)

// Inliner carries out `kamal secrets …` of a secrets file within this program:
// args are the words after `secrets`, in which $NAME and $(…) are values
// already. env is as a Runner's.
type Inliner func(ctx context.Context, args []Value, env []string) (Value, error)

var inlinedCommand = regexp.MustCompile(`^(?:bundle[ \t]+exec[ \t]+)?(?:\./)?(?:bin/)?(?:kamal|fairlead)[ \t\n]+secrets[ \t\n]+`)

// inlined carries out a command that is Kamal's own, as Kamal does. It tells
// whether it was one; a line that needs a shell is none.
func (ev *evaluator) inlined(ctx context.Context, text string) (outcome, bool) {
	head := inlinedCommand.FindString(text)
	if head == "" || ev.inline == nil {
		return outcome{}, false
	}
	words, ok := shellWords(text[len(head):])
	if !ok {
		return outcome{}, false
	}
	var args []Value
	for _, word := range words {
		// A value is one word, whatever is in it: no shell splits it.
		o := ev.entry(ctx, entry{parts: word})
		if o.err != nil || o.unset != "" {
			return o, true
		}
		args = append(args, o.value)
	}
	v, err := ev.inline(ctx, args, ev.env)
	return outcome{value: v, err: err}, true
}

// shellWords splits a line into words as sh(1) does, where it has quotes,
// backslashes, $NAME, ${NAME} and $(…) only.
func shellWords(text string) (words [][]part, ok bool) {
	var word []part
	var plain strings.Builder
	begun, quote := false, byte(0)
	flush := func() {
		if plain.Len() > 0 {
			word = append(word, part{literal, plain.String()})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c, rest := text[i], text[i+1:]
		switch {
		case quote == '\'' && c != quote:
			plain.WriteByte(c)
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && strings.IndexByte(" \t\n", c) >= 0:
			if flush(); begun || len(word) > 0 {
				words = append(words, word)
			}
			word, begun = nil, false
		case c == '\\' && rest != "":
			if i++; quote == '"' && strings.IndexByte(`$"\`+"`\n", text[i]) < 0 {
				plain.WriteByte(c)
			}
			if text[i] != '\n' {
				plain.WriteByte(text[i])
			}
		case c == '$' && strings.HasPrefix(rest, "("):
			n := balanced(rest)
			if n == 0 {
				return nil, false
			}
			flush()
			word = append(word, part{command, strings.TrimSpace(rest[1 : n-1])})
			i += n
		case c == '$' && variableName.MatchString(rest):
			m := variableName.FindStringSubmatch(rest)
			flush()
			word = append(word, part{variable, m[1] + m[2]})
			i += len(m[0])
		case quote == 0 && strings.IndexByte("$`|&;<>()*?[]{}~#!", c) >= 0, quote == '"' && (c == '`' || c == '$'):
			return nil, false
		default:
			plain.WriteByte(c)
		}
	}
	if flush(); begun || len(word) > 0 {
		words = append(words, word)
	}
	return words, quote == 0
}
