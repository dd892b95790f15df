package commits

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// WithTree is the files of a project that can also be asked for the commits
// before theirs, for images that CI names by commit, and for all of the commit,
// to build of it. below is the project's folder in the repository, "." for all.
func WithTree(files fs.FS, m *mirror.Mirror, t mirror.Tip, below string) fs.FS {
	return whole{history{files, m, t}, below}
}

// withArchive is WithTree for files that the commits before theirs can be read
// as, too.
func withArchive(s mirror.Snapshot, r *Repository, t mirror.Tip, globs []string) fs.FS {
	return archive{whole{history{s.Files, r.mirror, t}, "."}, r, globs, s.Noted}
}

// Below are the files of the project in a folder of those that Fetch returned,
// with all that they can be asked for. "" is the root.
func Below(files fs.FS, folder string) (fs.FS, error) {
	if folder == "" || folder == "." {
		return files, nil
	}
	below, err := fs.Sub(files, folder)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", folder, err)
	}
	if a, ok := files.(archive); ok {
		a.FS, a.below = below, folder
		return a, nil
	}
	return below, nil
}

type whole struct {
	history
	below string
}

// Whole lends use all files of the commit below the project's folder.
func (w whole) Whole(ctx context.Context, use func(files fs.FS) error) error {
	return w.mirror.Whole(ctx, w.tip, func(all fs.FS) error {
		below, err := fs.Sub(all, w.below)
		if err != nil {
			return fmt.Errorf("open %s: %w", w.below, err)
		}
		return use(below)
	})
}

type archive struct {
	whole
	repository *Repository
	globs      []string
	noted      map[string]string
}

// Noted are the objects of the commit at the paths that were asked for.
func (a archive) Noted() map[string]string { return a.noted }

// At returns the files of a commit that History had.
func (a archive) At(ctx context.Context, earlier release.Revision) (fs.FS, error) {
	s, err := a.repository.Fetch(ctx, a.tip.Earlier(earlier.SHA), a.globs)
	if err != nil {
		return nil, err
	}
	return Below(s.Files, a.below)
}

type history struct {
	fs.FS
	mirror *mirror.Mirror
	tip    mirror.Tip
}

// History returns the commit and its first parents, newest first.
func (h history) History(ctx context.Context, n int) ([]release.Revision, error) {
	return h.mirror.History(ctx, h.tip, n)
}
