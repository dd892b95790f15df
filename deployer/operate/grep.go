package operate

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/release/operation"
)

// grep passes on the lines that fit, and those around them, as grep(1) does.
type grep struct {
	fits          *regexp.Regexp // nil: every line
	invert        bool
	before, after int

	kept []operation.Line // the last lines that did not fit
	rest int              // how many more are passed on though they do not
}

// newGrep reads a pattern and some of grep's options.
func newGrep(pattern, options string) (*grep, error) {
	g := &grep{}
	if pattern == "" {
		return g, nil
	}
	words := strings.Fields(options)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case strings.HasPrefix(word, "--") || !strings.HasPrefix(word, "-") || len(word) < 2:
			return nil, unknownGrep(word)
		case strings.ContainsAny(word[1:2], "ABC"):
			number := word[2:]
			if number == "" && i+1 < len(words) {
				i++
				number = words[i]
			}
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 || n > maxContext {
				return nil, &operation.Refusal{Message: fmt.Sprintf("grep's %s needs a number up to %d", word[:2], maxContext), Hint: "write --grep-options '-C 5'"}
			}
			if word[1] != 'A' {
				g.before = n
			}
			if word[1] != 'B' {
				g.after = n
			}
		default:
			for _, letter := range word[1:] {
				switch letter {
				case 'i':
					pattern = "(?i)" + pattern
				case 'v':
					g.invert = true
				case 'F':
					pattern = regexp.QuoteMeta(pattern)
				case 'w':
					pattern = `\b(?:` + pattern + `)\b`
				case 'E', 'e':
				default:
					return nil, unknownGrep("-" + string(letter))
				}
			}
		}
	}
	var err error
	if g.fits, err = regexp.Compile(pattern); err != nil {
		return nil, &operation.Refusal{Message: "--grep is no regular expression: " + err.Error(), Hint: "for plain text add --grep-options -F"}
	}
	return g, nil
}

// maxContext bounds how many lines are kept for context.
const maxContext = 1000

func unknownGrep(word string) error {
	return &operation.Refusal{Message: "grep's option " + word + " is not known here", Hint: "there are -i -v -F -w -E and -A, -B, -C with a number"}
}

// line takes one line and returns those to pass on now.
func (g *grep) line(l operation.Line) []operation.Line {
	switch {
	case g.fits == nil:
		return []operation.Line{l}
	case g.fits.MatchString(l.Text) != g.invert:
		out := append(g.kept, l)
		g.kept, g.rest = nil, g.after
		return out
	case g.rest > 0:
		g.rest--
		return []operation.Line{l}
	case g.before > 0:
		if len(g.kept) == g.before {
			g.kept = append(g.kept[:0:0], g.kept[1:]...)
		}
		g.kept = append(g.kept, l)
	}
	return nil
}
