// Package fanout makes of one look at a repository the commits of each of its
// projects: deploy files in folders of their own, with the paths that they are
// about.
//
// What decides is the content of a commit, not the way that led there: merges,
// rewinds and force-pushes are compared like any other, and where nothing can
// be compared, the newest commit is a project's.
//
// Lives here: which commit a project is at. May not live here: Git, and what
// becomes of a commit.
package fanout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

// Project is one deploy file of a repository that is watched.
type Project struct {
	Name   string // as fairlead.yml's repositories are called downstream
	Folder string // in the repository; "" is its root
	File   string // the deploy file in Folder; "" for Kamal's places
	// Paths are globs from the repository's root; none: every commit is the
	// project's.
	Paths []string
}

// own are globs of what makes a commit the project's whatever Paths say: its
// deploy files and secrets.
func (p Project) own() []string {
	list := []string{"config/deploy*.yml", "config/deploy*.yaml", "deploy*.yml", "deploy*.yaml", ".kamal", "config/secrets*"}
	if p.File != "" {
		base := strings.TrimSuffix(p.File, path.Ext(p.File))
		list = append(list, base+"*.yml", base+"*.yaml")
	}
	for i, g := range list {
		list[i] = path.Join(p.Folder, g)
	}
	return list
}

// Globs are the files that are wanted of a commit for the project, and what is
// asked about its paths.
func (p Project) Globs() []string {
	var globs []string
	for _, g := range watcher.DefaultPaths() {
		globs = append(globs, path.Join(p.Folder, g))
	}
	if p.File != "" {
		base := path.Join(p.Folder, strings.TrimSuffix(p.File, path.Ext(p.File)))
		globs = append(globs, base+"*.yml", base+"*.yaml")
	}
	if len(p.Paths) == 0 {
		return globs
	}
	for _, g := range slices.Concat(p.Paths, p.own()) {
		globs = append(globs, glob.Note(g))
	}
	return globs
}

// content is what the project's paths hold in a commit, by what Git calls it.
func (p Project) content(files fs.FS) (string, bool) {
	has, ok := files.(interface{ Noted() map[string]string })
	if !ok || len(p.Paths) == 0 {
		return "", false
	}
	var globs []string
	for _, g := range slices.Concat(p.Paths, p.own()) {
		globs = append(globs, glob.Note(g))
	}
	mine, err := glob.New(globs)
	if err != nil {
		return "", false
	}
	noted := has.Noted()
	var b strings.Builder
	for _, at := range slices.Sorted(maps.Keys(noted)) {
		if mine.Noted(at) {
			fmt.Fprintf(&b, "%s %s\n", noted[at], at)
		}
	}
	return b.String(), true
}

// Options are what a Fan works with; all but Noted are needed.
type Options struct {
	Submitter watcher.Submitter
	Looks     watcher.Looks
	Noted     func(release.Look)
	// Deployed is the commit that Git led a project to last; ok is false where
	// there is none.
	Deployed func(ctx context.Context, project string) (r release.Revision, ok bool, err error)
	Log      *slog.Logger
}

// Fan hands what a watcher found to the projects. It is the watcher's Submitter
// and Looks.
type Fan struct {
	o        Options
	projects map[string][]*standing // by watched repository; not changed

	mu sync.Mutex // what stands in them
}

// standing is a project and the commit that it is at.
type standing struct {
	Project
	at      *commit      // nil: not known yet
	passed  string       // SHA of the tip that is not the project's; it is at an earlier one
	lastSaw release.Look // as it was passed on
}

type commit struct {
	revision release.Revision
	files    fs.FS
	content  string
}

// New makes a Fan of the projects of each watched repository.
func New(o Options, projects map[string][]Project) *Fan {
	f := &Fan{o: o, projects: map[string][]*standing{}}
	for watched, list := range projects {
		for _, p := range list {
			f.projects[watched] = append(f.projects[watched], &standing{Project: p})
		}
	}
	return f
}

// Submit passes a commit on to the projects that it is of. One that has nothing
// of a project makes no release there; what a person or a timer asks for is
// about the commit that the project is at.
func (f *Fan) Submit(ctx context.Context, req release.Request, files fs.FS) error {
	var errs []error
	for _, p := range f.projects[req.Revision.Repo] {
		if err := f.submit(ctx, p, req, files); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (f *Fan) submit(ctx context.Context, p *standing, req release.Request, files fs.FS) error {
	below, err := commits.Below(files, p.Folder)
	if err != nil {
		return err
	}
	content, known := p.content(files)
	tip := commit{req.Revision, below, content}
	tip.revision.Repo = p.Name
	f.mu.Lock()
	at := p.at
	f.mu.Unlock()
	if at == nil && known {
		at = f.deployed(ctx, p, tip, files)
	}
	next, passes := tip, false
	if known && at != nil && at.content == content {
		next, passes = *at, at.revision.SHA != tip.revision.SHA
	}
	if passes {
		f.pass(ctx, p, tip.revision, next)
		if !asks(req.Cause) {
			return nil
		}
	}
	req.Revision = next.revision
	if err := f.o.Submitter.Submit(ctx, req, next.files); err != nil || passes {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.at, p.passed = &next, ""
	return nil
}

// deployed is the commit that Git led to before this process began, where it
// has the same of the project as the tip; nil where it has not, or cannot be
// had.
func (f *Fan) deployed(ctx context.Context, p *standing, tip commit, files fs.FS) *commit {
	was, ok, err := f.o.Deployed(ctx, p.Name)
	if err != nil || !ok || was.SHA == tip.revision.SHA {
		return nil
	}
	past, ok := files.(interface {
		At(ctx context.Context, earlier release.Revision) (fs.FS, error)
	})
	if !ok {
		return nil
	}
	then, err := past.At(ctx, was)
	if err != nil { // a force-push took it away
		f.o.Log.Debug("earlier commit cannot be compared", "project", p.Name, "revision", was.Short(), "error", err)
		return nil
	}
	content, known := p.content(then)
	below, err := commits.Below(then, p.Folder)
	if !known || err != nil || content != tip.content {
		return nil
	}
	was.Repo, was.Ref = p.Name, tip.revision.Ref
	return &commit{was, below, content}
}

// pass notes that the tip is not the project's, which stays where it is: one
// line, the first time. The look at the tip is put right.
func (f *Fan) pass(ctx context.Context, p *standing, tip release.Revision, stays commit) {
	f.mu.Lock()
	again := p.passed == tip.SHA
	p.at, p.passed = &stays, tip.SHA
	look := p.lastSaw
	f.mu.Unlock()
	if again {
		return
	}
	f.o.Log.Info("commit has nothing of the project", "project", p.Name, "revision", tip.Short(), "stays", stays.revision.Short())
	if look.Tip != tip.SHA {
		return
	}
	look.Tip = stays.revision.SHA
	f.told(look)
	if err := f.o.Looks.SaveLook(ctx, look); err != nil {
		f.o.Log.Error("look was not saved", "project", p.Name, "err", err)
	}
}

// asks tells whether a cause wants a submission of a commit that was submitted
// before, as the watcher's own rule says.
func asks(c release.Cause) bool {
	switch c.Kind {
	case release.CauseStart, release.CauseReconcile, release.CauseManual, release.CauseRetry:
		return true
	}
	return false
}

// SaveLook keeps a look at a repository as one at each of its projects, which
// may be at an earlier commit.
func (f *Fan) SaveLook(ctx context.Context, l release.Look) error {
	var errs []error
	for _, one := range f.looks(l) {
		errs = append(errs, f.o.Looks.SaveLook(ctx, one))
	}
	return errors.Join(errs...)
}

// Noted hears of every look.
func (f *Fan) Noted(l release.Look) {
	for _, one := range f.looks(l) {
		f.told(one)
	}
}

func (f *Fan) told(l release.Look) {
	if f.o.Noted != nil {
		f.o.Noted(l)
	}
}

func (f *Fan) looks(l release.Look) []release.Look {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []release.Look
	for _, p := range f.projects[l.Repo] {
		one := l
		one.Repo = p.Name
		p.lastSaw = one
		if p.at != nil && p.passed != "" && p.passed == l.Tip {
			one.Tip = p.at.revision.SHA
		}
		list = append(list, one)
	}
	return list
}

var (
	_ watcher.Submitter = (*Fan)(nil)
	_ watcher.Looks     = (*Fan)(nil)
)
