package hook

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-shellwords"

	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
)

// How long a command of a hook may take where deploy.yml does not say it. What
// is run after a failure keeps its end from being told.
const (
	deadline     = 30 * time.Minute
	deadlineBack = 5 * time.Minute
)

// maxScript bounds a hook's file.
const maxScript = 1 << 20

// Task is one command of a hook, or the file of one.
type Task struct {
	Hook     string // "pre-deploy"
	Part     int    // from 1; 0 where the hook has only this one
	Shown    string // the command as written, or the path of the file
	Argv     []string
	Script   []byte // the file's content; nil for a command
	Place    hooks.Place
	Deadline time.Duration
}

// String names the task: "pre-deploy", or "pre-deploy 2".
func (t Task) String() string {
	if t.Part == 0 {
		return t.Hook
	}
	return fmt.Sprintf("%s %d", t.Hook, t.Part)
}

// forward tells what is written for going forward alone: a file can look where
// it goes.
func (t Task) forward() bool { return t.Script == nil && t.Hook != onRollback }

// Shown are the hooks that a release of this would run if all goes well, and
// where: "pre-deploy on web1: bin/rails db:migrate".
func Shown(tasks []Task, d plan.Desired, rollback bool) (lines []string) {
	like, ok := Place(d)
	for _, t := range tasks {
		if !ok || t.Hook == onFailure || rollback && t.forward() || !rollback && t.Hook == onRollback {
			continue
		}
		where := on(like.Host)
		switch t.Place {
		case hooks.OnDaemon:
			where = on("")
		case hooks.OnBuilder:
			where = " on the builder"
		}
		lines = append(lines, t.Hook+where+": "+t.Shown)
	}
	return lines
}

// Tasks are what a deploy.yml's hooks come to, in the file's order: first the
// file of a hook, then the commands written for it. files is what deploy.yml
// was read from.
func Tasks(d *spec.Deploy, files fs.FS) ([]Task, error) {
	var list []Task
	for _, name := range hooks.Names() {
		if !hooks.Runs(name) {
			continue
		}
		of, err := named(d, files, name)
		if err != nil {
			return nil, err
		}
		list = append(list, of...)
	}
	return list, nil
}

// Paths are the files of hooks to keep for a rollback, which runs them again:
// those that are text.
func Paths(d *spec.Deploy, files fs.FS) (paths []string) {
	for _, name := range d.HookFiles {
		p := path.Join(d.HooksPath, name)
		if text, err := fs.ReadFile(files, p); err == nil && utf8.Valid(text) {
			paths = append(paths, p)
		}
	}
	return paths
}

func named(d *spec.Deploy, files fs.FS, name string) ([]Task, error) {
	o := d.XFairlead.Hooks[name]
	base := Task{Hook: name, Place: hooks.Default(name, true), Deadline: deadline}
	if isBack(name) {
		base.Deadline = deadlineBack
	}
	if o.Deadline > 0 {
		base.Deadline = o.Deadline
	}
	if o.Run != "" {
		base.Place = o.Run
	}
	var list []Task
	if slices.Contains(d.HookFiles, name) {
		t := base
		t.Shown = path.Join(d.HooksPath, name)
		text, err := fs.ReadFile(files, t.Shown)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read hook: %w", err)
		case len(text) > maxScript:
			return nil, fmt.Errorf("read hook %s: it has %d bytes; %d are the most", t.Shown, len(text), maxScript)
		}
		t.Script = text
		list = append(list, t)
	}
	for _, h := range d.Hooks {
		if h.Name != name {
			continue
		}
		for _, command := range h.Commands {
			t := base
			if o.Run == "" {
				t.Place = h.Run
			}
			t.Shown, t.Argv = command, argv(command)
			list = append(list, t)
		}
	}
	if len(list) > 1 {
		for i := range list {
			list[i].Part = i + 1
		}
	}
	return list, nil
}

// argv splits a command into words where nothing in it asks for a shell, so
// that it runs in images without one; else it is the image's shell's.
func argv(command string) []string {
	p := shellwords.NewParser()
	p.ParseEnv, p.ParseBacktick, p.ParseComment = false, false, false
	words, err := p.Parse(command)
	if err != nil || len(words) == 0 || strings.ContainsAny(command, "$`\\|&;<>()*?[]{}~#!\n") || strings.Contains(words[0], "=") {
		return []string{"sh", "-c", command}
	}
	return words
}

// isBack tells the hooks that run on the way back.
func isBack(name string) bool { return name == onFailure || name == onRollback }

const (
	onFailure  = "on-failure"
	onRollback = "on-rollback"
)
