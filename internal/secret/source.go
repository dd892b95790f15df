package secret

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Place is one place that may hold secrets.
type Place interface {
	// Lookup returns the secret called name and whether it is here. The error
	// says why it is here but unreadable; it names no value.
	Lookup(name string) (Value, bool, error)
	// String names the place for people: "/etc/fairlead/secrets/shop.env".
	String() string
}

// Source is an ordered list of places: the first that has a secret gives it.
type Source []Place

// Lookup returns the secret called name from the first place that has it.
func (s Source) Lookup(name string) (Value, bool, error) {
	for _, p := range s {
		if v, found, err := p.Lookup(name); found || err != nil {
			return v, found, err
		}
	}
	return Value{}, false, nil
}

// Names are those that the files have, sorted; what a folder and the
// environment have is not listed.
func (s Source) Names() []string {
	names := map[string]bool{}
	for _, p := range s {
		if told, ok := p.(toldPlace); ok {
			p = told.Place
		}
		switch p := p.(type) {
		case *dotenv:
			for name := range p.values {
				names[name] = true
			}
		case fixed:
			for name := range p.values {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Told returns a source of the same places that tells of each value before it
// gives it away.
func (s Source) Told(tell func(Value)) Source {
	told := make(Source, len(s))
	for i, p := range s {
		told[i] = toldPlace{p, tell}
	}
	return told
}

type toldPlace struct {
	Place
	tell func(Value)
}

func (p toldPlace) Lookup(name string) (Value, bool, error) {
	v, found, err := p.Place.Lookup(name)
	if found {
		p.tell(v)
	}
	return v, found, err
}

// Missing returns nil when every name has a value that is not empty. Else the
// error is a *MissingError about all that have none, joined with what is
// unreadable.
func (s Source) Missing(names []string) error {
	missing := &MissingError{}
	var errs []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		v, found, err := s.Lookup(name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !found:
			missing.add(name, s.why(name))
		case v.IsZero():
			missing.add(name, "it is set, but empty")
		}
	}
	if len(missing.Names) > 0 {
		for _, p := range s {
			missing.Looked = append(missing.Looked, p.String())
		}
		errs = append([]error{missing}, errs...)
	}
	return errors.Join(errs...)
}

// why asks the places why they do not have a secret that they mention.
func (s Source) why(name string) string {
	for _, p := range s {
		if told, ok := p.(toldPlace); ok {
			p = told.Place
		}
		if d, ok := p.(*dotenv); ok && d.why(name) != "" {
			return d.why(name)
		}
	}
	return ""
}

// MissingError names secrets that no place has.
type MissingError struct {
	Names  []string // sorted
	Looked []string // the places that were asked, in order
	why    map[string]string
}

func (e *MissingError) add(name, why string) {
	e.Names = append(e.Names, name)
	if why != "" {
		if e.why == nil {
			e.why = make(map[string]string)
		}
		e.why[name] = why
	}
}

func (e *MissingError) Error() string {
	var b strings.Builder
	noun := "secrets"
	if len(e.Names) == 1 {
		noun = "secret"
	}
	fmt.Fprintf(&b, "missing %s: ", noun)
	for i, name := range e.Names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
		if why := e.why[name]; why != "" {
			fmt.Fprintf(&b, " (%s)", why)
		}
	}
	if len(e.Looked) == 0 {
		b.WriteString("; no place for secrets is configured: add `secrets: { file: … }` to the repository in fairlead.yml")
		return b.String()
	}
	fmt.Fprintf(&b, "; looked in %s; ", strings.Join(e.Looked, ", "))
	own := slices.IndexFunc(e.Looked, func(place string) bool { return strings.HasPrefix(place, "/") })
	git := slices.IndexFunc(e.Looked, func(place string) bool { return strings.HasPrefix(place, ".kamal/") })
	switch {
	case own < 0 && git >= 0: // Git would keep the value
		fmt.Fprintf(&b, "say in %[1]s where it is: %[2]s=$%[2]s, or %[2]s=$(cat FILE)", e.Looked[git], e.Names[0])
	default:
		fmt.Fprintf(&b, "put it into %s, for instance with `fairlead secret set %s`", e.Looked[max(own, 0)], e.Names[0])
	}
	return b.String()
}

// Options say where secrets are.
type Options struct {
	File string // the operator's dotenv file, mode 0600; "" for none
	Dir  string // the operator's folder, one file per secret; "" for none
	Env  Env    // what of the daemon's environment may be used
	// Vault is what a program of the operator's gave; nil for none. It is asked
	// after the folder.
	Vault Place
	// EnvLast asks the environment after the repository's files instead of
	// before them, as Kamal does; their $NAME can still be its variables.
	EnvLast bool

	// Repo is the commit's files; nil for none. Destination picks
	// .kamal/secrets.DEST and config/secrets.DEST in it.
	Repo        fs.FS
	Destination string
	// Path is Kamal's secrets_path; "" means ".kamal/secrets".
	Path string
	// Run executes $(command); nil refuses all but $(cat FILE).
	Run Runner
	// Inline carries out `kamal secrets …` in $(command), where Run would; nil
	// leaves it to Run.
	Inline Inliner
	// Unseal opens the repository's encrypted files; nil refuses them.
	Unseal Unsealer
}

// Unsealer decrypts a file of the repository. Its error says what to do.
type Unsealer func(ctx context.Context, name string, data []byte) (Unsealed, error)

// Unsealed is what an encrypted file holds: dotenv text, read as a plain file
// is, or values that stand for themselves.
type Unsealed struct {
	Dotenv Value
	Values map[string]Value // nil: Dotenv
}

// Open reads all places once, in this order: the operator's file, folder and
// environment, then the repository's files (see EnvLast). A file that is not there holds
// nothing. Errors: unreadable or unsafe files, *ParseError.
func Open(ctx context.Context, o Options) (Source, error) {
	var (
		s, env Source
		errs   []error
	)
	if !o.Env.empty() {
		env = Source{o.Env}
	}
	if o.File != "" {
		place, err := openFile(ctx, o, env)
		s, errs = append(s, place), append(errs, err)
	}
	if o.Dir != "" {
		s = append(s, folder{o.Dir})
	}
	if o.Vault != nil {
		s = append(s, o.Vault)
	}
	var last Source
	if o.EnvLast {
		last = env
	} else {
		s = append(s, env...)
	}
	if o.Repo == nil {
		return append(s, last...), errors.Join(errs...)
	}
	for _, name := range repoFiles(o) {
		ev := &evaluator{files: o.Repo, run: o.Run, inline: o.Inline, overrides: s, variables: slices.Concat(s, last)}
		place, err := openRepoFile(ctx, ev, o.Unseal, name)
		errs = append(errs, err)
		if place != nil {
			s = append(s, place)
		}
	}
	return append(s, last...), errors.Join(errs...)
}
