package actor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-git/go-billy/v5/memfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Repository is the checkout of somebody who deploys, kept in memory, on main.
type Repository struct {
	// URL is where it pushes to.
	URL string

	repo *git.Repository
}

// NewRepository makes an empty checkout that pushes to url.
func NewRepository(url string) (*Repository, error) {
	repo, err := git.InitWithOptions(memory.NewStorage(), memfs.New(), git.InitOptions{DefaultBranch: plumbing.Main})
	if err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if _, err := repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{url}}); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	return &Repository{URL: url, repo: repo}, nil
}

// Move makes it push to another address from now on.
func (r *Repository) Move(url string) error {
	if err := r.repo.DeleteRemote("origin"); err != nil {
		return fmt.Errorf("move repository: %w", err)
	}
	if _, err := r.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{url}}); err != nil {
		return fmt.Errorf("move repository: %w", err)
	}
	r.URL = url
	return nil
}

// Commit commits these files, by their path, and returns the commit's name.
func (r *Repository) Commit(message string, files map[string]string) (sha string, err error) {
	tree, err := r.repo.Worktree()
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	for path, content := range files {
		file, err := tree.Filesystem.Create(path)
		if err != nil {
			return "", fmt.Errorf("write %s: %w", path, err)
		}
		_, err = io.WriteString(file, content)
		if err = errors.Join(err, file.Close()); err != nil {
			return "", fmt.Errorf("write %s: %w", path, err)
		}
		if _, err := tree.Add(path); err != nil {
			return "", fmt.Errorf("add %s: %w", path, err)
		}
	}
	ana := &object.Signature{Name: "Ana", Email: "ana@example.com", When: time.Now()}
	commit, err := tree.Commit(message, &git.CommitOptions{Author: ana, AllowEmptyCommits: true})
	if err != nil {
		return "", fmt.Errorf("commit: %w", err)
	}
	return commit.String(), nil
}

// Push commits these files and pushes main.
func (r *Repository) Push(ctx context.Context, message string, files map[string]string) (sha string, err error) {
	if sha, err = r.Commit(message, files); err != nil {
		return "", err
	}
	return sha, r.Send(ctx, "refs/heads/main:refs/heads/main")
}

// Rewind makes an earlier commit the tip of main here, files included.
func (r *Repository) Rewind(sha string) error {
	tree, err := r.repo.Worktree()
	if err == nil {
		err = tree.Reset(&git.ResetOptions{Commit: plumbing.NewHash(sha), Mode: git.HardReset})
	}
	if err != nil {
		return fmt.Errorf("rewind to %.7s: %w", sha, err)
	}
	return nil
}

// Send pushes a refspec as Git writes it: one that begins with + rewrites
// history, ":refs/heads/main" deletes the branch.
func (r *Repository) Send(ctx context.Context, refspec string) error {
	err := r.repo.PushContext(ctx, &git.PushOptions{RemoteName: "origin", RefSpecs: []config.RefSpec{config.RefSpec(refspec)}})
	if err != nil {
		return fmt.Errorf("push to %s: %w", r.URL, err)
	}
	return nil
}
