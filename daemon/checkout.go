package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/daemon/secrets"
	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// ErrNoCheckout: there is no deploy.yml here or above.
var ErrNoCheckout = errors.New("there is no config/deploy.yml and no deploy.yml here")

// Checkout is a project's folder as it lies on this machine: its files with
// what is changed in them, and the commit that they are based on.
type Checkout struct {
	Deploy   *spec.Deploy
	Warnings []spec.Warning

	root *os.Root
	file string // deploy.yml's path in root; "" for Kamal's places
}

// OpenCheckout finds the project that dir is in and reads its deploy.yml: file,
// relative to dir, or, where that is "", the one that Kamal would read here or
// in a folder above, up to the repository's. Templates see this process's
// environment.
func OpenCheckout(dir, file, destination string) (*Checkout, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open checkout: %w", err)
	}
	if file == "" {
		if dir = project(dir); dir == "" {
			return nil, ErrNoCheckout
		}
	} else if filepath.IsAbs(file) || !filepath.IsLocal(file) {
		return nil, fmt.Errorf("open checkout: %s is outside of this folder; call it in the project's folder, with a path relative to it", file)
	}
	c := &Checkout{file: filepath.ToSlash(file)}
	if c.root, err = os.OpenRoot(dir); err != nil {
		return nil, fmt.Errorf("open checkout: %w", err)
	}
	// The file is the person's own, as are the commands in it.
	command := secrets.Template(secrets.Attended(dir))
	o := deployer.Settings{ConfigFile: c.file, Env: os.LookupEnv, Command: command}.Reading(context.Background(), release.Request{Destination: destination})
	c.Deploy, c.Warnings, err = spec.Load(c.Files(), o)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// project is the folder with a deploy.yml, "" where there is none.
func project(dir string) string {
	has := func(dir, name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	for {
		above := filepath.Dir(dir)
		switch {
		case has(dir, "config/deploy.yml"):
			return dir
		case has(dir, "deploy.yml") && filepath.Base(dir) == "config" && has(above, "config/deploy.yml"):
			return above
		case has(dir, "deploy.yml"):
			return dir
		}
		_, err := os.Stat(filepath.Join(dir, ".git"))
		if err == nil || above == dir {
			return ""
		}
		dir = above
	}
}

// Close frees the folder.
func (c *Checkout) Close() error { return c.root.Close() }

// Files are the project's files as they lie there; nothing outside can be
// reached through them.
func (c *Checkout) Files() fs.FS { return c.root.FS() }

// Lane is what the project deploys.
func (c *Checkout) Lane() release.Lane {
	return release.Lane{Service: c.Deploy.Service, Destination: c.Deploy.Destination}
}

// commit reads the commit that is checked out: the revision, its history for
// images that CI names by commit, and which files that a rollout reads are not
// as they were committed.
func (c *Checkout) commit(ctx context.Context) (release.Revision, fs.FS, []string, error) {
	none := release.Revision{}
	top := c.root.Name()
	for {
		if _, err := os.Stat(filepath.Join(top, ".git")); err == nil {
			break
		}
		parent := filepath.Dir(top)
		if parent == top {
			return none, nil, nil, fmt.Errorf("%s is in no Git repository, so that nothing names what is deployed; run `git init` and commit", c.root.Name())
		}
		top = parent
	}
	pool := mirror.NewPool("") // nothing is copied: the repository is here
	defer pool.Close()
	m, err := pool.Open(mirror.Remote{Name: c.Deploy.Service, URL: top})
	if err != nil {
		return none, nil, nil, err
	}
	tip, err := m.Tip(ctx, "HEAD")
	if errors.Is(err, mirror.ErrEmpty) {
		return none, nil, nil, fmt.Errorf("read the commit that is checked out: there is none yet in %s; `git commit` makes the first", top)
	}
	if err != nil {
		return none, nil, nil, fmt.Errorf("read the commit that is checked out: %w", err)
	}
	below, err := filepath.Rel(top, c.root.Name())
	if err != nil {
		return none, nil, nil, fmt.Errorf("open checkout: %w", err)
	}
	snap, err := m.Fetch(ctx, tip, c.paths(filepath.ToSlash(below)))
	if err != nil {
		return none, nil, nil, fmt.Errorf("read the commit that is checked out: %w", err)
	}
	committed := snap.Files
	if below != "." {
		if committed, err = fs.Sub(snap.Files, filepath.ToSlash(below)); err != nil {
			return none, nil, nil, fmt.Errorf("open checkout: %w", err)
		}
	}
	return snap.Revision, commits.WithTree(c.Files(), m, tip, filepath.ToSlash(below)), changed(c.Files(), committed, c.read()), nil
}

// paths are the files that a rollout may read, as globs of the repository.
func (c *Checkout) paths(below string) []string {
	globs := append(watcher.DefaultPaths(), strings.TrimSuffix(c.Deploy.HooksPath, "/"))
	if c.file != "" {
		globs = append(globs, c.file)
	}
	for i, g := range globs {
		if below != "." {
			globs[i] = below + "/" + g
		}
	}
	return globs
}

// read are the files that were read for deploy.yml.
func (c *Checkout) read() []string {
	names := []string{c.Deploy.File}
	if c.Deploy.DestinationFile != "" {
		names = append(names, c.Deploy.DestinationFile)
	}
	for _, h := range c.Deploy.HookFiles {
		names = append(names, strings.TrimSuffix(c.Deploy.HooksPath, "/")+"/"+h)
	}
	return names
}

// changed are the names whose content is not the committed one.
func changed(here, committed fs.FS, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		now, err := fs.ReadFile(here, name)
		then, errThen := fs.ReadFile(committed, name)
		return err == nil && errThen == nil && bytes.Equal(now, then)
	})
}
