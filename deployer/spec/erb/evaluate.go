package erb

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

var (
	envPattern    = regexp.MustCompile(`^ENV(?:\[\s*|\.fetch\(\s*)["']([A-Za-z_][A-Za-z0-9_]*)["']\s*[\])]$`)
	numberPattern = regexp.MustCompile(`^-?\d[\d_]*(\.\d+)?`)
	wordPattern   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_:]*`)
	catPattern    = regexp.MustCompile(`^cat ([A-Za-z0-9_.][A-Za-z0-9_./-]*)$`)
)

// maxNesting bounds parentheses and defaults within defaults.
const maxNesting = 32

// value is Ruby's nil or a text.
type value struct {
	text  string
	isNil bool
}

// evaluator reads one expression and evaluates what Ruby would evaluate: the
// right side of || only when it is needed.
type evaluator struct {
	world World
	tag   tag
	rest  string
	unset []string
	depth int
}

func (t *Template) evaluate(tg tag) result {
	e := &evaluator{world: t.world, tag: tg, rest: tg.code}
	v, err := e.expression(true)
	if err == nil && e.skipSpace() != "" {
		err = e.unsupported()
	}
	if err != nil {
		return result{err: err}
	}
	if !v.isNil {
		return result{text: v.text}
	}
	return result{unset: e.unset}
}

func (e *evaluator) skipSpace() string {
	e.rest = strings.TrimLeft(e.rest, " \t")
	return e.rest
}

func (e *evaluator) fail(hint, format string, args ...any) error {
	at := e.tag.at
	at.Column += utf8.RuneCountInString(e.tag.code) - utf8.RuneCountInString(e.rest)
	return &schema.Error{Position: at, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func (e *evaluator) unsupported() error {
	hint := `ENV["NAME"], ENV.fetch("NAME", "default"), ||, text and File.read("FILE") work`
	if strings.HasPrefix(e.rest, "Kamal::Utils.docker_arch") {
		hint = "write amd64 or arm64"
	}
	return e.fail(hint, "unsupported ERB: %s", shorten(e.tag.code))
}

// accept consumes text if it comes next.
func (e *evaluator) accept(text string) bool {
	if !strings.HasPrefix(e.skipSpace(), text) {
		return false
	}
	e.rest = e.rest[len(text):]
	return true
}

// expression reads A || B || C. Without need, it is read but not evaluated.
func (e *evaluator) expression(need bool) (value, error) {
	e.depth++
	defer func() { e.depth-- }()
	if e.depth > maxNesting {
		return value{}, e.unsupported()
	}
	v, err := e.term(need)
	for err == nil && e.accept("||") {
		var right value
		right, err = e.term(need && v.isNil)
		if v.isNil {
			v = right
		}
	}
	return v, err
}

// term reads one value and the methods called on it.
func (e *evaluator) term(need bool) (value, error) {
	v, err := e.primary(need)
	for err == nil && strings.HasPrefix(e.rest, ".") {
		switch {
		case e.accept(".strip"):
			v.text = strings.TrimSpace(v.text)
		case e.accept(".chomp"):
			v.text = strings.TrimSuffix(v.text, "\n")
		case e.accept(".to_s"):
			v.isNil = false
		case e.accept(".presence"):
			v.isNil = v.isNil || strings.TrimSpace(v.text) == ""
		default:
			return v, e.unsupported()
		}
	}
	return v, err
}

func (e *evaluator) primary(need bool) (value, error) {
	e.skipSpace()
	switch {
	case e.accept("("):
		v, err := e.expression(need)
		if err == nil && !e.accept(")") {
			err = e.unsupported()
		}
		return v, err
	case strings.HasPrefix(e.rest, `"`), strings.HasPrefix(e.rest, "'"):
		text, err := e.quoted()
		return value{text: text}, err
	case strings.HasPrefix(e.rest, "`"), strings.HasPrefix(e.rest, "%x"):
		return e.command(need)
	case e.accept("ENV["):
		return e.variable(need)
	case e.accept("ENV.fetch("):
		return e.fetch(need)
	case e.accept("File.read("):
		return e.file(need)
	}
	if number := numberPattern.FindString(e.rest); number != "" {
		e.rest = e.rest[len(number):]
		return value{text: strings.ReplaceAll(number, "_", "")}, nil
	}
	switch word := wordPattern.FindString(e.rest); word {
	case "true", "false":
		e.rest = e.rest[len(word):]
		return value{text: word}, nil
	case "nil":
		e.rest = e.rest[len(word):]
		return value{isNil: true}, nil
	}
	return value{}, e.unsupported()
}

// quoted reads 'text' or "text"; "#{…}" is beyond us.
func (e *evaluator) quoted() (string, error) {
	quote := e.rest[0]
	var b strings.Builder
	for i := 1; i < len(e.rest); i++ {
		switch c := e.rest[i]; {
		case c == quote:
			e.rest = e.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(e.rest):
			i++
			b.WriteString(unescape(e.rest[i], quote))
		case c == '#' && quote == '"' && strings.HasPrefix(e.rest[i:], "#{"):
			return "", e.unsupported()
		default:
			b.WriteByte(c)
		}
	}
	return "", e.fail("", "the text has no closing quote: %s", shorten(e.rest))
}

func unescape(c, quote byte) string {
	switch {
	case c == quote || c == '\\':
		return string(c)
	case quote == '"' && c == 'n':
		return "\n"
	case quote == '"' && c == 't':
		return "\t"
	case quote == '"':
		return string(c)
	}
	return `\` + string(c)
}

// name reads a quoted word after ENV[ or ENV.fetch(.
func (e *evaluator) name() (string, error) {
	e.skipSpace()
	if !strings.HasPrefix(e.rest, `"`) && !strings.HasPrefix(e.rest, "'") {
		return "", e.unsupported()
	}
	return e.quoted()
}

func (e *evaluator) lookup(name string) (string, bool) {
	if e.world.Env == nil {
		return "", false
	}
	return e.world.Env(name)
}

func (e *evaluator) variable(need bool) (value, error) {
	name, err := e.name()
	if err != nil {
		return value{}, err
	}
	if !e.accept("]") {
		return value{}, e.unsupported()
	}
	text, ok := e.lookup(name)
	if need && !ok {
		e.unset = append(e.unset, name)
	}
	return value{text: text, isNil: !ok}, nil
}

// fetch reads the rest of ENV.fetch("X"), with a default behind a comma or in
// braces.
func (e *evaluator) fetch(need bool) (value, error) {
	before := e.rest
	name, err := e.name()
	if err != nil {
		return value{}, err
	}
	text, ok := e.lookup(name)
	fallback, hasDefault := value{}, e.accept(",")
	if hasDefault {
		if fallback, err = e.expression(need && !ok); err != nil {
			return value{}, err
		}
	}
	if !e.accept(")") {
		return value{}, e.unsupported()
	}
	if !hasDefault && e.accept("{") {
		hasDefault = true
		if fallback, err = e.expression(need && !ok); err != nil {
			return value{}, err
		}
		if !e.accept("}") {
			return value{}, e.unsupported()
		}
	}
	switch {
	case ok:
		return value{text: text}, nil
	case hasDefault || !need:
		return fallback, nil
	}
	e.rest = before
	return value{}, e.fail("set it for the daemon, or give a default: ENV.fetch(\""+name+"\", \"…\")", "ENV.fetch: %s is not set", name)
}

func (e *evaluator) file(need bool) (value, error) {
	name, err := e.name()
	if err != nil {
		return value{}, err
	}
	if !e.accept(")") {
		return value{}, e.unsupported()
	}
	if !need {
		return value{}, nil
	}
	return e.read(name)
}

func (e *evaluator) read(name string) (value, error) {
	clean := path.Clean(name)
	if e.world.ReadFile == nil || !fs.ValidPath(clean) {
		return value{}, e.fail("only files of the repository can be read", "cannot read %q", name)
	}
	b, err := e.world.ReadFile(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return value{}, e.fail("commit it, or write the value here", "the repository has no file %q", name)
	case err != nil:
		return value{}, e.fail("", "read %q: %v", name, err)
	case len(b) > schema.MaxBytes || !utf8.Valid(b):
		return value{}, e.fail("", "%q is not a text of at most %d KiB", name, schema.MaxBytes>>10)
	}
	return value{text: string(b)}, nil
}

// command reads `…` or %x(…). What it prints loses the last line end, which
// Ruby would leave to YAML to fold away.
func (e *evaluator) command(need bool) (value, error) {
	before := e.rest
	line, ok := e.commandLine()
	if !ok {
		e.rest = before
		return value{}, e.unsupported()
	}
	if !need {
		return value{}, nil
	}
	after := e.rest
	e.rest = before
	if m := catPattern.FindStringSubmatch(line); m != nil {
		v, err := e.read(m[1])
		if err == nil {
			e.rest = after
		}
		return value{text: strings.TrimSuffix(v.text, "\n")}, err
	}
	if e.world.Command == nil {
		return value{}, e.fail("add `commands` to this repository's allow: in fairlead.yml, or use a secret", "the template runs a command: %s", shorten(line))
	}
	out, err := e.world.Command(line)
	if err != nil {
		return value{}, e.fail("", "run %s: %v", shorten(line), err)
	}
	e.rest = after
	return value{text: strings.TrimSuffix(strings.TrimSuffix(out, "\n"), "\r")}, nil
}

func (e *evaluator) commandLine() (string, bool) {
	closing := "`"
	switch {
	case e.accept("`"):
	case e.accept("%x("):
		closing = ")"
	case e.accept("%x{"):
		closing = "}"
	case e.accept("%x["):
		closing = "]"
	default:
		return "", false
	}
	end := strings.Index(e.rest, closing)
	if closing != "`" {
		end = balanced(e.rest, e.tag.code[len(e.tag.code)-len(e.rest)-1], closing[0])
	}
	if end < 0 {
		return "", false
	}
	line := strings.TrimSpace(e.rest[:end])
	e.rest = e.rest[end+1:]
	return line, line != "" && !strings.Contains(line, "#{")
}

// balanced finds the closing bracket of a text whose opening one was read.
func balanced(text string, opening, closing byte) int {
	depth := 1
	for i := range len(text) {
		switch text[i] {
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
