// Package mirrortest makes real Git repositories and serves them, over HTTP by
// git http-backend and over SSH by git-upload-pack, on the loopback device.
// For tests only; it needs the git program.
package mirrortest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Repo is a bare repository with a work tree beside it.
type Repo struct {
	Dir  string // the bare repository
	work string
	t    testing.TB
}

// NewRepo makes an empty repository called name under root. Options are
// further arguments of git init, e.g. "--object-format=sha256".
func NewRepo(t testing.TB, root, name string, options ...string) *Repo {
	t.Helper()
	r := &Repo{Dir: filepath.Join(root, name), work: t.TempDir(), t: t}
	Git(t, root, append(append([]string{"init", "--quiet", "--bare", "--initial-branch=main"}, options...), r.Dir)...)
	Git(t, r.work, append(append([]string{"init", "--quiet", "--initial-branch=main"}, options...), ".")...)
	r.Git("remote", "add", "origin", r.Dir)
	return r
}

// AllowPartial lets the repository answer partial fetches, as forges do.
func (r *Repo) AllowPartial() *Repo {
	Git(r.t, r.Dir, "config", "uploadpack.allowFilter", "true")
	Git(r.t, r.Dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	return r
}

// Git runs git in the work tree and returns what it prints, trimmed.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return Git(r.t, r.work, args...)
}

// Write puts files into the work tree; a content of "-> x" makes a symbolic
// link to x, and one of "" removes the file.
func (r *Repo) Write(files map[string]string) {
	r.t.Helper()
	for name, content := range files {
		at := filepath.Join(r.work, name)
		_ = os.Remove(at)
		if content == "" {
			continue
		}
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if to, ok := strings.CutPrefix(content, "-> "); ok && err == nil {
			err = os.Symlink(to, at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// Commit writes files, commits all and pushes the current branch, by force. It
// returns the commit's SHA.
func (r *Repo) Commit(subject string, files map[string]string) string {
	r.t.Helper()
	r.Write(files)
	r.Git("add", "--all")
	r.Git("commit", "--quiet", "--allow-empty", "-m", subject)
	r.Push()
	return r.Head()
}

// Push pushes the current branch, by force.
func (r *Repo) Push() {
	r.t.Helper()
	r.Git("push", "--quiet", "--force", "origin", "HEAD")
}

// Head returns the SHA of the work tree's commit.
func (r *Repo) Head() string { return r.Git("rev-parse", "HEAD") }

// Git runs git in a folder, without the configuration of user and machine, and
// returns what it prints, trimmed.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = Env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Env is the environment that git runs in.
func Env() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=Ana Lee", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_AUTHOR_DATE=2026-11-01T10:00:00Z",
		"GIT_COMMITTER_NAME=Bo Ek", "GIT_COMMITTER_EMAIL=bo@example.com", "GIT_COMMITTER_DATE=2026-11-02T11:00:00Z",
		"GIT_TERMINAL_PROMPT=0",
	}
}
