// Package mirror knows what a remote Git repository looks like now: where a
// branch stands (Tip, one listing of refs), what a commit holds (Fetch, an
// fs.FS of the few files wanted) and what came before it (History).
//
// It speaks Git's protocol over https, ssh and to folders of this machine,
// runs no program, and keeps no work tree: no checkout, hook, filter,
// submodule or LFS file exists that a repository could play with. Where the
// server allows it a few objects are fetched into memory; else a shallow copy
// is kept on disk. All that comes from a server is bounded.
//
// What a deploy.yml means, when to look and what to do about an error are not
// decided here.
package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/glob"
)

// Remote is a repository as configured.
type Remote struct {
	Name string // in fairlead.yml; names the folder of its copy
	URL  string // https://, ssh://, git@host:path, file:// or an absolute path
	Auth Auth
}

// Auth is what opens a repository. Only what fits the URL is used.
type Auth struct {
	User  string       // https: default "x-access-token"; ssh: default "git"
	Token secret.Value // https

	Signers    []ssh.Signer // ssh keys, tried in order
	KnownHosts []string     // known_hosts files; the host must be in one
}

// Tip is where a ref stands.
type Tip struct {
	Ref string // full name, e.g. "refs/heads/main"
	SHA string // of the commit, 40 hex digits

	id    string // what the ref itself names: the commit or a tag object
	above string // id of the ref's tip, where this is a commit before it
	caps  capabilities
}

// Earlier is a commit that History of the tip had, to Fetch it.
func (t Tip) Earlier(sha string) Tip {
	return Tip{Ref: t.Ref, SHA: sha, id: sha, above: cmp.Or(t.above, t.id), caps: t.caps}
}

// Snapshot is one commit and its wanted files.
type Snapshot struct {
	Revision release.Revision
	Files    fs.FS
	Parents  []string // SHAs, first parent first
	// Noted are the objects at the paths that globs of glob.Note asked for: while
	// a path's is the same, nothing at or below it differs.
	Noted map[string]string
}

// Mirror is one repository. Its methods may be called at the same time; they
// take turns.
type Mirror struct {
	name string
	door door
	turn chan struct{}
}

// door is a way into a repository.
type door interface {
	tip(ctx context.Context, c *choice) (Tip, error)
	snapshot(ctx context.Context, t Tip, want glob.Set) (commit, *files, error)
	history(ctx context.Context, t Tip, n int) ([]commit, error)
	whole(ctx context.Context, t Tip, use func(stored, commit) error) error
}

// Open prepares a repository. Nothing is read or dialled yet; the error is
// about the address.
func (p *Pool) Open(r Remote) (*Mirror, error) {
	a, err := parseAddress(r.URL)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", r.Name, err)
	}
	m := &Mirror{name: r.Name, turn: make(chan struct{}, 1)}
	var w wire
	switch a.scheme {
	case "file":
		m.door = &local{path: a.path}
		return m, nil
	case "ssh":
		w, err = p.ssh.open(a, r.Auth)
	default:
		w, err = newSmartHTTP(p.http, a, r.Auth)
	}
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", r.Name, err)
	}
	m.door = &remote{wire: w, disk: p.disk(r)}
	return m, nil
}

// Tip lists the refs once and returns where ref stands: "" is the default
// branch, "main" a branch, "v*" the newest tag that matches (semantic versions
// first, no pre-releases unless the pattern has a "-"), "refs/…" itself.
// Errors are *Trouble: ErrRefMissing, ErrEmpty, ErrUnreachable, ErrNotFound,
// ErrAuth, ErrHostKey, ErrSHA256, ErrRedirect, ErrProtocol, ErrUnsupported.
func (m *Mirror) Tip(ctx context.Context, ref string) (Tip, error) {
	c, err := newChoice(ref)
	if err != nil {
		return Tip{}, err
	}
	if err := m.enter(ctx); err != nil {
		return Tip{}, err
	}
	defer m.leave()
	t, err := m.door.tip(ctx, c)
	if err != nil {
		return Tip{}, fmt.Errorf("list refs: %w", err)
	}
	return t, nil
}

// Fetch reads the files of a tip that match one of the globs ("*" within a
// name, "**" for folders; a folder means all in it). At most 1 MiB per file
// and 16 MiB in all (ErrTooBig). Opening a symbolic link or a submodule in the
// snapshot is an error. ErrMoved: the commit is gone; look again.
func (m *Mirror) Fetch(ctx context.Context, t Tip, globs []string) (Snapshot, error) {
	want, err := glob.New(globs)
	if err != nil {
		return Snapshot{}, trouble(ErrAddress, "%v; correct config_file:", err)
	}
	if err := m.enter(ctx); err != nil {
		return Snapshot{}, err
	}
	defer m.leave()
	c, files, err := m.door.snapshot(ctx, t, want)
	if err != nil {
		return Snapshot{}, fmt.Errorf("fetch %s: %w", t.SHA[:min(7, len(t.SHA))], err)
	}
	return Snapshot{Revision: m.revision(t, c), Files: files, Parents: c.parents, Noted: files.noted}, nil
}

// Covers tells whether Fetch with these globs brings the file of that path, if
// the commit has it.
func Covers(globs []string, file string) bool {
	want, err := glob.New(globs)
	return err == nil && want.File(path.Clean(file))
}

// History returns the tip and up to n-1 commits before it, along first
// parents, newest first. On servers without partial fetches this costs the
// files of these commits as well, on disk.
func (m *Mirror) History(ctx context.Context, t Tip, n int) ([]release.Revision, error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.leave()
	commits, err := m.door.history(ctx, t, max(n, 1))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	revisions := make([]release.Revision, 0, len(commits))
	for _, c := range commits {
		revisions = append(revisions, m.revision(t, c))
	}
	return revisions, nil
}

func (m *Mirror) revision(t Tip, c commit) release.Revision {
	return release.Revision{Repo: m.name, Ref: t.Ref, SHA: c.id, Author: c.author, Subject: c.subject, Time: c.time}
}

func (m *Mirror) enter(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return timedOut(context.Cause(ctx))
	}
}

func (m *Mirror) leave() { <-m.turn }

// remote is the door to a repository behind a wire.
type remote struct {
	wire wire
	disk *disk
	last map[string]object // of the last partial snapshot
	full bool              // the server refuses partial fetches
}

func (r *remote) tip(ctx context.Context, c *choice) (Tip, error) {
	caps, err := r.wire.refs(ctx, c)
	if err != nil {
		return Tip{}, err
	}
	return c.tip(caps)
}

func (r *remote) snapshot(ctx context.Context, t Tip, want glob.Set) (commit, *files, error) {
	if t.caps.partial() && !r.full {
		p := newPartial(r.wire, t.caps, r.last)
		c, f, err := r.read(ctx, p, t, want)
		switch {
		case err == nil:
			r.last = p.keep()
			return c, f, nil
		case !refusedPartial(err):
			return commit{}, nil, err
		}
	}
	c, f, err := r.fromDisk(ctx, t, want)
	r.full = r.full || (err == nil && t.caps.partial())
	return c, f, err
}

func (r *remote) read(ctx context.Context, p *partial, t Tip, want glob.Set) (commit, *files, error) {
	c, err := p.commit(ctx, t)
	if err != nil {
		return commit{}, nil, err
	}
	f, err := collect(ctx, p, c, want)
	return c, f, err
}

// fromDisk reads from the shallow copy.
func (r *remote) fromDisk(ctx context.Context, t Tip, want glob.Set) (c commit, f *files, err error) {
	err = r.repaired(func() error {
		c, f, err = r.disk.snapshot(ctx, r.wire, t, want)
		return err
	})
	return c, f, err
}

// repaired uses the copy; one that proves corrupt is made anew, once.
func (r *remote) repaired(use func() error) error {
	err := use()
	if !errors.Is(err, ErrCorrupt) {
		return err
	}
	if err := r.disk.remove(); err != nil {
		return err
	}
	return use()
}

func (r *remote) history(ctx context.Context, t Tip, n int) ([]commit, error) {
	if t.caps.partial() && !r.full {
		p := newPartial(r.wire, t.caps, nil)
		err := p.fetch(ctx, request{want: []string{t.id}, depth: n, filter: "tree:0"})
		if err == nil {
			return firstParents(p, t, n)
		}
		if !refusedPartial(err) {
			return nil, err
		}
	}
	var commits []commit
	err := r.repaired(func() (err error) {
		commits, err = r.disk.history(ctx, r.wire, t, n)
		return err
	})
	return commits, err
}

// firstParents walks up to n commits from the tip, as far as src has them.
func firstParents(src source, t Tip, n int) ([]commit, error) {
	c, err := readCommit(src, t)
	if err != nil {
		return nil, err
	}
	commits := []commit{c}
	for len(commits) < n && len(c.parents) > 0 {
		data, err := src.read(c.parents[0], kindCommit, maxFile)
		if err != nil {
			break // the shallow edge
		}
		if c, err = parseCommit(c.parents[0], data); err != nil {
			return nil, err
		}
		commits = append(commits, c)
	}
	return commits, nil
}
