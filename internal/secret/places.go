package secret

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Env is the part of the daemon's environment that a repository's secrets may
// come from. The rest of it, such as the daemon's own tokens, stays unseen.
type Env struct {
	Names  []string // these
	Prefix string   // and PREFIXname for the secret name; "" for none
	// LookupEnv reads the environment; nil means os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

func (e Env) empty() bool { return len(e.Names) == 0 && e.Prefix == "" }

// Lookup implements Place. The prefixed variable goes first.
func (e Env) Lookup(name string) (Value, bool, error) {
	read := e.LookupEnv
	if read == nil {
		read = os.LookupEnv
	}
	if e.Prefix != "" {
		if plain, ok := read(e.Prefix + name); ok {
			return New(plain), true, nil
		}
	}
	if !slices.Contains(e.Names, name) {
		return Value{}, false, nil
	}
	plain, ok := read(name)
	return New(plain), ok, nil
}

func (e Env) String() string {
	switch e.Prefix {
	case "":
		return "the environment (" + strings.Join(e.Names, ", ") + ")"
	case "$": // any variable
		return "the environment"
	}
	return "the environment (" + e.Prefix + "…)"
}

// folder holds one file per secret, named as the secret: what Docker and
// systemd mount (/run/secrets, $CREDENTIALS_DIRECTORY). One line end at the
// end of the file is not part of the secret.
type folder struct{ dir string }

var fileName = regexp.MustCompile(`^\w[\w.-]*$`)

func (f folder) Lookup(name string) (Value, bool, error) {
	if !fileName.MatchString(name) {
		return Value{}, false, nil
	}
	file, err := os.Open(filepath.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return Value{}, false, nil
	}
	if err != nil {
		return Value{}, false, fmt.Errorf("read secret: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode()&0o002 != 0 {
		return Value{}, false, fmt.Errorf("read secret: everyone may write %s: run `chmod o-w %[1]s`", file.Name())
	}
	plain, err := readAll(file, file.Name())
	if err != nil {
		return Value{}, false, err
	}
	return New(chomp(plain)), true, nil
}

func (f folder) String() string { return f.dir }

// openFile reads the operator's file. It always returns a place, so that it
// is named among those that were asked.
func openFile(ctx context.Context, o Options, variables Source) (Place, error) {
	place := &dotenv{name: o.File}
	plain, err := readPrivate(o.File)
	if errors.Is(err, fs.ErrNotExist) {
		place.name += " (which does not exist yet)"
		return place, nil
	}
	if err != nil {
		return place, err
	}
	ev := &evaluator{run: o.Run, inline: o.Inline, variables: variables}
	read, err := ev.evaluate(ctx, o.File, plain)
	if err != nil {
		return place, err
	}
	return read, nil
}

// ReadPrivate reads a file that must belong to its owner alone, of up to
// 1 MiB. The error of one that others may read says which chmod to run.
func ReadPrivate(file string) (Value, error) {
	plain, err := readPrivate(file)
	return New(plain), err
}

func readPrivate(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read secrets: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read secrets: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("read secrets: %s is no regular file", file)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("read secrets: others may read %s (mode %04o): run `chmod 600 %[1]s`", file, info.Mode().Perm())
	}
	return readAll(f, file)
}

// repoFiles are the names that may hold secrets in a repository, the first
// wins: Kamal's for the destination, Kamal's common ones, then config/secrets
// of the same shape, each plain or encrypted. Without a destination,
// config/secrets.production stands in for a config/secrets that is not there.
func repoFiles(o Options) []string {
	kamal := o.Path
	if kamal == "" {
		kamal = ".kamal/secrets"
	}
	names := []string{kamal, kamal + "-common", "config/secrets"}
	if o.Destination != "" {
		names = []string{
			kamal + "." + o.Destination, kamal + "-common",
			"config/secrets." + o.Destination, "config/secrets",
		}
	} else if !slices.ContainsFunc(variants("config/secrets"), func(name string) bool {
		info, err := fs.Stat(o.Repo, name)
		return err == nil && !info.IsDir()
	}) {
		names[2] = "config/secrets.production"
	}
	var all []string
	for _, name := range names {
		all = append(all, variants(name)...)
	}
	return all
}

// variants are a file's name, and those it has when it is encrypted: by age as
// a whole, or by sops as YAML or JSON. The plain name may be sops's dotenv.
func variants(name string) []string {
	return []string{name, name + ".age", name + ".yaml", name + ".yml", name + ".json"}
}

// encrypted tells whether a file is, by its name or how it begins.
func encrypted(name, data string) bool {
	switch path.Ext(name) {
	case ".age", ".yaml", ".yml", ".json":
		return true
	}
	return strings.HasPrefix(data, "age-encryption.org/") || strings.HasPrefix(strings.TrimSpace(data), "-----BEGIN AGE ENCRYPTED FILE-----") ||
		strings.HasPrefix(data, "sops_mac=") || strings.Contains(data, "\nsops_mac=")
}

// openRepoFile returns nil when the commit has no such file.
func openRepoFile(ctx context.Context, ev *evaluator, unseal Unsealer, name string) (Place, error) {
	name = path.Clean(name)
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("read secrets: %s is outside of the repository", name)
	}
	if info, err := fs.Stat(ev.files, name); err == nil && info.IsDir() {
		return nil, nil
	}
	text, err := readBounded(ev.files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if encrypted(name, text) {
		return openSealed(ctx, ev, unseal, name, text)
	}
	d, err := ev.evaluate(ctx, name, text)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// openSealed reads an encrypted file.
func openSealed(ctx context.Context, ev *evaluator, unseal Unsealer, name, text string) (Place, error) {
	if unseal == nil {
		return nil, fmt.Errorf("read secrets: %s is encrypted", name)
	}
	held, err := unseal(ctx, name, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("read secrets: %s: %w", name, err)
	}
	if held.Values == nil {
		d, err := ev.evaluate(ctx, name, held.Dotenv.Reveal())
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	return Fixed(name, held.Values), nil
}

// ParseDotenv reads dotenv text whose values stand alone: what refers to a
// variable or a command is an error. No error holds a value.
func ParseDotenv(ctx context.Context, name, text string) (map[string]Value, error) {
	d, err := (&evaluator{}).evaluate(ctx, name, text)
	if err != nil {
		return nil, err
	}
	values := make(map[string]Value, len(d.values))
	for key, o := range d.values {
		switch {
		case o.err != nil:
			return nil, o.err
		case o.unset != "":
			return nil, errors.New(o.unset)
		}
		values[key] = o.value
	}
	return values, nil
}

// Fixed is a place that holds these values, under a name for people.
func Fixed(name string, values map[string]Value) Place { return fixed{name, values} }

type fixed struct {
	name   string
	values map[string]Value
}

func (f fixed) Lookup(name string) (Value, bool, error) {
	v, ok := f.values[name]
	return v, ok, nil
}

func (f fixed) String() string { return f.name }
