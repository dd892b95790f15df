package fleet

import (
	"context"
	"fmt"
	"strings"
)

// Repo is a bare repository on the fleet's Git server.
type Repo struct {
	// HTTP, SSH and File are its URLs; all can be pushed to. HTTP asks for no
	// password, SSH wants the fleet's key, File works on this machine only.
	HTTP, SSH, File string
	// Path is its folder on this machine.
	Path string

	name string
	git  *Machine
}

// NewRepo makes an empty bare repository whose first branch is main.
func (f *Fleet) NewRepo(ctx context.Context, name string) (*Repo, error) {
	if name == "" || strings.ContainsAny(name, "/. \t\n") {
		return nil, fmt.Errorf("make repository: the name %q holds more than a plain word", name)
	}
	r := &Repo{name: name, git: f.GitMachine, Path: f.path("git", name+".git")}
	r.File = "file://" + r.Path
	r.HTTP = fmt.Sprintf("http://%s/%s.git", f.GitMachine.Addr, name)
	r.SSH = fmt.Sprintf("ssh://git@%s/srv/git/%s.git", f.GitMachine.Addr, name)
	// Shared with all, because the web server writes as root and sshd as git.
	if _, err := r.git.Exec(ctx, "git", "init", "-q", "--bare", "--shared=world", "-b", "main", r.inside()); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	if _, err := r.git.Exec(ctx, "chmod", "-R", "a+rwX", r.inside()); err != nil {
		return nil, fmt.Errorf("make repository: %w", err)
	}
	return r, r.Set(ctx, "http.receivepack", "true")
}

// Set changes the repository's configuration, such as uploadpack.allowFilter
// (off by default, as in Git itself; on at the big forges).
func (r *Repo) Set(ctx context.Context, key, value string) error {
	if _, err := r.git.Exec(ctx, "git", "-C", r.inside(), "config", key, value); err != nil {
		return fmt.Errorf("configure repository: %w", err)
	}
	return nil
}

func (r *Repo) inside() string { return "/srv/git/" + r.name + ".git" }
