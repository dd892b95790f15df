package commits

import (
	"context"
	"io/fs"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// WithHistory is files that can also be asked for the commits before theirs,
// for images that CI names by commit.
func WithHistory(files fs.FS, m *mirror.Mirror, t mirror.Tip) fs.FS { return history{files, m, t} }

// withArchive is WithHistory for files that the commits before theirs can be
// read as, too.
func withArchive(files fs.FS, r *Repository, t mirror.Tip, globs []string) fs.FS {
	return archive{history{files, r.mirror, t}, r, globs}
}

type archive struct {
	history
	repository *Repository
	globs      []string
}

// At returns the files of a commit that History had.
func (a archive) At(ctx context.Context, earlier release.Revision) (fs.FS, error) {
	s, err := a.repository.Fetch(ctx, a.tip.Earlier(earlier.SHA), a.globs)
	return s.Files, err
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
