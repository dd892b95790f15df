package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// maxSecret bounds a secret's file, in bytes.
const maxSecret = 64 << 10

// Ref says where a secret is: `{ env: NAME }` or `{ file: PATH }`. Where the
// file allows it, it holds a literal instead.
type Ref struct {
	Env, File string

	literal secret.Value
	path    string // in fairlead.yml, for errors
}

// IsZero tells whether nothing is referred to.
func (f Ref) IsZero() bool { return f.Env == "" && f.File == "" && f.literal.IsZero() }

// Literal returns what is written in fairlead.yml itself, if anything is.
func (f Ref) Literal() (string, bool) { return f.literal.Reveal(), !f.literal.IsZero() }

// Resolve reads the secret; the zero Ref is the empty secret. One line end at
// the end of a file is not part of it. It errors when there is none, or an
// empty one, and says where it should be.
func (f Ref) Resolve() (secret.Value, error) {
	switch {
	case !f.literal.IsZero():
		return f.literal, nil
	case f.Env != "":
		plain := os.Getenv(f.Env)
		if plain == "" {
			return secret.Value{}, fmt.Errorf("read %s: the environment variable %s is not set; set it for the daemon, for instance in its systemd unit's EnvironmentFile", f.path, f.Env)
		}
		return secret.New(plain), nil
	case f.File != "":
		return f.read()
	}
	return secret.Value{}, nil
}

func (f Ref) read() (secret.Value, error) {
	file, err := os.Open(f.File)
	if err != nil {
		return secret.Value{}, fmt.Errorf("read %s: %w", f.path, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	switch {
	case err != nil:
		return secret.Value{}, fmt.Errorf("read %s: %w", f.path, err)
	case len(data) > maxSecret:
		return secret.Value{}, fmt.Errorf("read %s: %s is longer than %d bytes", f.path, f.File, maxSecret)
	case len(data) == 0:
		return secret.Value{}, fmt.Errorf("read %s: %s is empty", f.path, f.File)
	}
	return secret.New(string(data)), nil
}

// ref reads a reference; what is written out is refused, and not repeated.
func (r *reader) ref(to *Ref) take {
	return func(n at) {
		if n.Kind == yaml.ScalarNode {
			r.problem(n, "write { env: NAME } or { file: PATH }, and change the secret if this file was shared", "a secret is written out")
			return
		}
		var ref Ref
		seen := r.fields(n, map[string]take{"env": r.text(&ref.Env), "file": r.filePath(&ref.File)})
		if len(seen) > 1 {
			r.problem(n, "keep one of them", "it names two places")
		} else if len(seen) == 0 && n.Kind == yaml.MappingNode {
			r.problem(n, "write { env: NAME } or { file: PATH }", "it names no place")
		}
		if strings.ContainsAny(ref.Env, "=$ ") {
			r.problem(n, "write its name alone, such as SLACK_TOKEN", "env is no name of a variable")
		}
		ref.path = n.path
		*to = ref
	}
}

// address reads a URL, which may be written out or be a reference.
func (r *reader) address(to *Ref) take {
	return func(n at) {
		if n.Kind != yaml.ScalarNode {
			r.ref(to)(n)
			return
		}
		var s string
		if r.text(&s)(n); s == "" {
			return
		}
		if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
			r.problem(n, "write https://…, or { env: NAME } where it holds a secret", "it is no address")
			return
		}
		*to = Ref{literal: secret.New(s), path: n.path}
	}
}
