// Package commits fetches of a commit what its deploy.yml and secrets files
// are read from: the usual files, and those elsewhere in the repository that
// they name (secrets_path, File.read, $(cat FILE), hooks_path).
//
// Lives here: which files those are, found by reading as the deployer will,
// with commands left out, and fetching what was missed. May not live here: how
// Git is spoken (watcher/mirror), and what the files mean.
package commits

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

const (
	// maxRounds is how often a commit is fetched again: a template's file may
	// name the secrets file, and that may name others.
	maxRounds = 4
	// maxNames is how many files outside the usual places are fetched.
	maxNames = 256
)

// Repository is a mirror that fetches commits with all that they name.
type Repository struct {
	mirror   *mirror.Mirror
	readings []reading

	mu   sync.Mutex
	last []string // what the last commit named, so that the next one needs one fetch
}

// reading is one way to read a deploy.yml, in a folder; "" is the root.
type reading struct {
	folder string
	spec.Options
}

// New makes a Repository of a mirror. Its deploy.yml is read in each of these
// ways: one for each destination.
func New(m *mirror.Mirror, readings []spec.Options) *Repository {
	return (&Repository{mirror: m}).With("", readings)
}

// With adds the ways to read another deploy.yml, of the project in a folder. It
// is for before the first Fetch.
func (r *Repository) With(folder string, readings []spec.Options) *Repository {
	for _, o := range readings {
		if o.AllowCommands {
			o.Command = func(string) (string, error) { return "", nil } // nothing runs to find names
		}
		r.readings = append(r.readings, reading{folder, o})
	}
	return r
}

// Tip is the mirror's.
func (r *Repository) Tip(ctx context.Context, ref string) (mirror.Tip, error) {
	return r.mirror.Tip(ctx, ref)
}

// Fetch reads the files that match the globs and those that they name, at most
// 256. Where these cannot be had for their size or number, the others
// are returned, and opening one of these says why. The files can be asked for
// the commits before, and for theirs.
func (r *Repository) Fetch(ctx context.Context, t mirror.Tip, globs []string) (mirror.Snapshot, error) {
	r.mu.Lock()
	names := r.last
	r.mu.Unlock()
	var snap, usual mirror.Snapshot
	for round := range maxRounds + 1 {
		var err error
		snap, err = r.mirror.Fetch(ctx, t, slices.Concat(globs, literal(names)))
		if errors.Is(err, mirror.ErrTooBig) && len(names) > 0 {
			missed := names
			names = nil
			if usual.Files == nil { // they are the last commit's: this one may do without
				continue
			}
			snap = usual
			snap.Files = without{usual.Files, missed, err}
			break
		}
		if err != nil {
			return mirror.Snapshot{}, err
		}
		usual = snap
		named := r.named(snap, globs)
		lacking := slices.DeleteFunc(slices.Clone(named), func(name string) bool { return slices.Contains(names, name) })
		if len(named) > maxNames {
			err := fmt.Errorf("deploy.yml and the secrets files name more than %d files outside .kamal and config; have fewer", maxNames)
			snap.Files = without{snap.Files, lacking, err}
			break
		}
		if len(lacking) == 0 || round == maxRounds {
			names = named
			break
		}
		names = slices.Concat(named, names) // what a template's missing file hides is named again in the next round
		slices.Sort(names)
		names = slices.Compact(names)
	}
	r.mu.Lock()
	r.last = names[:min(len(names), maxNames)]
	r.mu.Unlock()
	snap.Files = withArchive(snap, r, t, globs)
	return snap, nil
}

// named are the names outside the globs that are asked for when the files are
// read as the deployer will, sorted.
func (r *Repository) named(snap mirror.Snapshot, globs []string) []string {
	a := &asked{FS: snap.Files, globs: globs, names: map[string]bool{}}
	for _, o := range r.readings {
		var project fs.FS = a
		if o.folder != "" {
			below, err := fs.Sub(a, o.folder)
			if err != nil {
				continue // no path: config_file's reader refuses these
			}
			project = below
		}
		d, _, err := spec.Load(project, o.Options)
		if err != nil {
			continue // the deployer tells people
		}
		for _, accessory := range d.Accessories {
			for _, m := range accessory.Files {
				if f, err := project.Open(path.Clean(m.Local)); err == nil {
					_ = f.Close() // it was asked for
				}
			}
		}
		run := func(context.Context, string, []string) ([]byte, error) { return nil, nil }
		_, _ = secret.Open(context.Background(), secret.Options{Repo: project, Destination: d.Destination, Path: d.SecretsPath, Run: run})
	}
	return a.sorted()
}
