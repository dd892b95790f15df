package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Runner runs a shell command of a secrets file, given exactly as it is
// written there, and returns its output. env holds "NAME=value" of the entries
// above it: values travel by environment, never by argument.
type Runner func(ctx context.Context, command string, env []string) ([]byte, error)

// commandTimeout bounds one $(command).
const commandTimeout = 30 * time.Second

// errSlow is the cause when commandTimeout ends a command.
var errSlow = errors.New("the command took longer than " + commandTimeout.String())

// dotenv is an evaluated dotenv file: a Place.
type dotenv struct {
	name   string // as people know it
	values map[string]outcome
}

// outcome is what became of an entry: a value, or why there is none.
type outcome struct {
	value Value
	unset string // what it refers to that is not there; the secret is missing
	err   error  // what is wrong with it; reported when it is asked for
}

func (d *dotenv) Lookup(name string) (Value, bool, error) {
	o, ok := d.values[name]
	if !ok || o.unset != "" {
		return Value{}, false, nil
	}
	return o.value, o.err == nil, o.err
}

func (d *dotenv) String() string { return d.name }

func (d *dotenv) why(name string) string { return d.values[name].unset }

// evaluator turns entries into values.
type evaluator struct {
	files     fs.FS  // for $(cat FILE); nil: there are none
	run       Runner // for any other command; nil: refused
	inline    Inliner
	overrides Source // what it has is not taken from the file
	variables Source // for $NAME that the file does not set

	values map[string]outcome
	env    []string
}

// evaluate reads a dotenv file in order. What is overridden is not evaluated:
// that spares a command that would fail or cost time.
func (ev *evaluator) evaluate(ctx context.Context, file, data string) (*dotenv, error) {
	entries, err := parse(file, data)
	if err != nil {
		return nil, err
	}
	ev.values = make(map[string]outcome, len(entries))
	for _, e := range entries {
		if _, found, err := ev.overrides.Lookup(e.name); found || err != nil {
			continue
		}
		o := ev.entry(ctx, e)
		switch {
		case o.err != nil:
			o.err = &ParseError{File: file, Line: e.line, Name: e.name, Why: o.err.Error()}
		case o.unset != "":
			o.unset = fmt.Sprintf("%s:%d refers to %s", file, e.line, o.unset)
		default:
			ev.env = append(ev.env, e.name+"="+o.value.Reveal())
		}
		ev.values[e.name] = o
	}
	return &dotenv{name: file, values: ev.values}, nil
}

func (ev *evaluator) entry(ctx context.Context, e entry) outcome {
	var plain strings.Builder
	for _, p := range e.parts {
		var o outcome
		switch p.kind {
		case literal:
			o.value = New(p.text)
		case variable:
			o = ev.variable(p.text)
		case command:
			o = ev.command(ctx, p.text)
		}
		if o.err != nil || o.unset != "" {
			return o
		}
		plain.WriteString(o.value.Reveal())
		if plain.Len() > maxFile {
			return outcome{err: fmt.Errorf("the value is longer than %d bytes", maxFile)}
		}
	}
	return outcome{value: New(plain.String())}
}

// variable looks above in the file, then outside; in Kamal an unset variable
// is empty, which deploys a broken password: here the secret is missing.
func (ev *evaluator) variable(name string) outcome {
	if o, ok := ev.values[name]; ok {
		if o.err != nil {
			o.err = fmt.Errorf("$%s is unreadable", name)
		}
		return o
	}
	v, found, err := ev.variables.Lookup(name)
	switch {
	case err != nil:
		return outcome{err: fmt.Errorf("$%s is unreadable: %w", name, err)}
	case !found:
		return outcome{unset: "$" + name + ", which is not set"}
	}
	return outcome{value: v}
}

func (ev *evaluator) command(ctx context.Context, text string) outcome {
	if name, ok := catOperand(text); ok && ev.files != nil {
		return ev.cat(name)
	}
	if ev.run == nil {
		return outcome{err: errors.New("commands other than $(cat FILE) are refused; add `commands` to the repository's `allow:` in fairlead.yml, or put this secret into its `secrets:`")}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, errSlow)
	defer cancel()
	if o, ok := ev.inlined(ctx, text); ok {
		return o
	}
	out, err := ev.run(ctx, text, ev.env)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return outcome{err: fmt.Errorf("run its command: %w", err)}
	}
	return outcome{value: New(chomp(string(out)))}
}

// catOperand returns FILE when a command is `cat FILE` and nothing a shell
// would do more with.
func catOperand(text string) (file string, ok bool) {
	words := strings.Fields(text)
	if len(words) != 2 || words[0] != "cat" {
		return "", false
	}
	file = words[1]
	if n := len(file); n > 2 && (file[0] == '"' || file[0] == '\'') && file[n-1] == file[0] {
		file = file[1 : n-1]
	}
	return file, !strings.ContainsAny(file, "'\"\\$`|&;<>()*?[]{}~!")
}

// cat reads a file of the repository. Paths are relative to its root.
func (ev *evaluator) cat(name string) outcome {
	clean := path.Clean(name)
	if !fs.ValidPath(clean) {
		return outcome{err: fmt.Errorf("%q is outside of the repository", name)}
	}
	data, err := readBounded(ev.files, clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return outcome{unset: clean + ", which is not in the repository"}
	case err != nil:
		return outcome{err: err}
	}
	return outcome{value: New(strings.TrimRight(data, "\n"))}
}

// readBounded reads a file of up to maxFile bytes.
func readBounded(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	return readAll(f, name)
}

func readAll(r io.Reader, name string) (string, error) {
	var b bytes.Buffer
	n, err := b.ReadFrom(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("read %s: %w", name, err)
	case n > maxFile:
		return "", fmt.Errorf("read %s: longer than %d bytes", name, maxFile)
	}
	return b.String(), nil
}

// chomp takes one line end off, as Ruby's String#chomp and dotenv do.
func chomp(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}
