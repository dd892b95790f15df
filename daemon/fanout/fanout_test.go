package fanout_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/commits"
	"github.com/fairlead-deploy/fairlead/daemon/fanout"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
)

// desk takes what the projects come to.
type desk struct {
	got   []string // PROJECT SHA CAUSE, and what its deploy.yml says
	looks map[string]string
	err   error
}

func (d *desk) Submit(_ context.Context, r release.Request, files fs.FS) error {
	if d.err != nil {
		return d.err
	}
	text, err := fs.ReadFile(files, "config/deploy.yml")
	if err != nil {
		return err
	}
	d.got = append(d.got, fmt.Sprintf("%s %s %s %s", r.Revision.Repo, r.Revision.SHA, r.Cause.Kind, text))
	return nil
}

func (d *desk) SaveLook(_ context.Context, l release.Look) error {
	d.looks[l.Repo] = l.Tip
	return nil
}

// world is a repository of two services and what watches it.
type world struct {
	*testing.T
	repo     *mirrortest.Repo
	remote   *commits.Repository
	projects []fanout.Project
	fan      *fanout.Fan
	deployed map[string]release.Revision
	log      bytes.Buffer
	desk
}

func open(t *testing.T, url func(dir string) string, partial bool) *world {
	t.Helper()
	w := &world{T: t, repo: mirrortest.NewRepo(t, t.TempDir(), "mono.git"), deployed: map[string]release.Revision{}}
	if partial {
		w.repo.AllowPartial()
	}
	pool := mirror.NewPool(t.TempDir())
	t.Cleanup(pool.Close)
	m, err := pool.Open(mirror.Remote{Name: "mono", URL: url(w.repo.Dir)})
	if err != nil {
		t.Fatal(err)
	}
	w.remote = commits.New(m, nil)
	w.projects = []fanout.Project{
		{Name: "mono:a", Folder: "services/a", File: "config/deploy.yml", Paths: []string{"services/a", "libs/*", "Gemfile.lock"}},
		{Name: "mono:b", Folder: "services/b", File: "config/deploy.yml", Paths: []string{"services/b/app"}},
		{Name: "mono:all", Folder: "services/b", File: "config/deploy.yml"},
	}
	w.restart()
	w.repo.Commit("begin", map[string]string{
		"services/a/config/deploy.yml": "a1", "services/a/app/main.rb": "1", "libs/log/log.rb": "1", "libs/README": "1", "Gemfile.lock": "1",
		"services/b/config/deploy.yml": "b1", "services/b/app/main.rb": "1", "services/b/docs/note.md": "1", "README": "1",
	})
	return w
}

// restart forgets all but what the store has.
func (w *world) restart() {
	w.looks = map[string]string{}
	w.fan = fanout.New(fanout.Options{
		Submitter: w, Looks: w, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Deployed: func(_ context.Context, name string) (release.Revision, bool, error) {
			r, ok := w.deployed[name]
			return r, ok, nil
		},
	}, map[string][]fanout.Project{"mono": w.projects})
}

// look looks at the tip and returns what came of it.
func (w *world) look(kind release.CauseKind) string {
	w.Helper()
	tip, err := w.remote.Tip(w.Context(), "main")
	if err != nil {
		w.Fatal(err)
	}
	var globs []string
	for _, p := range w.projects {
		globs = append(globs, p.Globs()...)
	}
	s, err := w.remote.Fetch(w.Context(), tip, globs)
	if err != nil {
		w.Fatal(err)
	}
	w.got = nil
	if err := w.fan.SaveLook(w.Context(), release.Look{Repo: "mono", Tip: s.Revision.SHA}); err != nil {
		w.Fatal(err)
	}
	err = w.fan.Submit(w.Context(), release.Request{Revision: s.Revision, Cause: release.Cause{Kind: kind}}, s.Files)
	if !errors.Is(err, w.err) {
		w.Fatal(err)
	}
	slices.Sort(w.got)
	return strings.Join(w.got, "\n")
}

// commits changes one file and looks.
func (w *world) commits(file, content string) (sha, got string) {
	w.Helper()
	sha = w.repo.Commit("change "+file, map[string]string{file: content})
	return sha, w.look(release.CausePoll)
}

func (w *world) want(got string, want ...string) {
	w.Helper()
	if got != strings.Join(want, "\n") {
		w.Errorf("submitted:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func doors(t *testing.T, test func(t *testing.T, w *world)) {
	overHTTP := func(t *testing.T) func(string) string {
		return func(dir string) string { return mirrortest.ServeHTTP(t, filepath.Dir(dir)).URL + "/mono.git" }
	}
	ofDisk := func(*testing.T) func(string) string { return func(dir string) string { return "file://" + dir } }
	for _, door := range []struct {
		name    string
		partial bool
		url     func(*testing.T) func(string) string
	}{{"http partial", true, overHTTP}, {"http whole", false, overHTTP}, {"file", false, ofDisk}} {
		t.Run(door.name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, door.url(t), door.partial))
		})
	}
}

func TestACommitIsOfTheProjectsWhosePathsItChanges(t *testing.T) {
	doors(t, func(t *testing.T, w *world) {
		first := w.repo.Head()
		w.want(w.look(release.CauseStart), "mono:a "+first+" start a1", "mono:all "+first+" start b1", "mono:b "+first+" start b1")

		docs, got := w.commits("README", "2")
		w.want(got, "mono:all "+docs+" poll b1")
		if w.looks["mono:a"] != first || w.looks["mono:b"] != first || w.looks["mono:all"] != docs {
			t.Errorf("the projects are seen at %v", w.looks)
		}
		w.want(w.look(release.CauseReconcile), "mono:a "+first+" reconcile a1", "mono:all "+docs+" reconcile b1", "mono:b "+first+" reconcile b1")
		if n := strings.Count(w.log.String(), "project=mono:a"); n != 1 {
			t.Errorf("it is told in %d lines:\n%s", n, w.log.String())
		}

		for _, file := range []string{"services/a/app/main.rb", "libs/log/log.rb", "libs/new/new.rb", "Gemfile.lock", "services/a/.kamal/secrets"} {
			sha, got := w.commits(file, "2")
			w.want(got, "mono:a "+sha+" poll a1", "mono:all "+sha+" poll b1")
			if w.looks["mono:a"] != sha {
				t.Errorf("after %s it is seen at %s, want %s", file, w.looks["mono:a"], sha)
			}
		}
		sha, got := w.commits("services/b/docs/note.md", "2")
		w.want(got, "mono:all "+sha+" poll b1")
		sha, got = w.commits("services/b/config/deploy.yml", "b2") // is its own without being listed
		w.want(got, "mono:all "+sha+" poll b2", "mono:b "+sha+" poll b2")
	})
}

func TestMergesRewindsAndForcePushesAreComparedByContent(t *testing.T) {
	doors(t, func(t *testing.T, w *world) {
		first := w.repo.Head()
		w.look(release.CauseStart)
		w.repo.Git("checkout", "-q", "-b", "side")
		w.repo.Commit("aside", map[string]string{"services/a/app/main.rb": "aside"})
		w.repo.Git("checkout", "-q", "main")
		w.repo.Git("merge", "-q", "--no-ff", "-m", "merge", "side")
		w.repo.Push()
		merge := w.repo.Head()
		w.want(w.look(release.CausePoll), "mono:a "+merge+" poll a1", "mono:all "+merge+" poll b1")

		// Another history with the same content of b, and the earlier one of a.
		w.repo.Git("checkout", "-q", "--orphan", "other", first)
		w.repo.Git("commit", "-q", "-m", "anew")
		w.repo.Git("branch", "-f", "main", "other")
		w.repo.Git("checkout", "-q", "main")
		w.repo.Git("push", "-q", "-f", "origin", "main")
		anew := w.repo.Head()
		w.want(w.look(release.CausePoll), "mono:a "+anew+" poll a1", "mono:all "+anew+" poll b1")
	})
}

func TestAfterARestartAProjectIsWhereItWasWhereItsContentIs(t *testing.T) {
	doors(t, func(t *testing.T, w *world) {
		first := w.repo.Head()
		w.look(release.CauseStart)
		second, _ := w.commits("services/a/app/main.rb", "2")
		third, _ := w.commits("README", "2")
		w.deployed["mono:a"] = release.Revision{Repo: "mono:a", SHA: second, Subject: "then"}
		w.deployed["mono:b"] = release.Revision{Repo: "mono:b", SHA: first}
		w.restart()
		w.want(w.look(release.CauseStart), "mono:a "+second+" start a1", "mono:all "+third+" start b1", "mono:b "+first+" start b1")

		// What is deployed is not known to the repository, or has another content.
		w.deployed["mono:a"] = release.Revision{Repo: "mono:a", SHA: strings.Repeat("0", 40)}
		w.restart()
		w.want(w.look(release.CauseStart), "mono:a "+third+" start a1", "mono:all "+third+" start b1", "mono:b "+first+" start b1")
		w.deployed["mono:a"] = release.Revision{Repo: "mono:a", SHA: first}
		w.restart()
		w.want(w.look(release.CauseStart), "mono:a "+third+" start a1", "mono:all "+third+" start b1", "mono:b "+first+" start b1")
	})
}

func TestACommitThatWasNotTakenIsHandedOverAgain(t *testing.T) {
	w := open(t, func(dir string) string { return "file://" + dir }, false)
	w.look(release.CauseStart)
	w.err = errors.New("not now")
	sha, got := w.commits("services/a/app/main.rb", "2")
	w.want(got)
	w.err = nil
	w.want(w.look(release.CausePoll), "mono:a "+sha+" poll a1", "mono:all "+sha+" poll b1")
}
