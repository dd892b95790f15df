package sim

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/release"
)

// branch is a commit's files that know the commits before it, oldest first.
type branch struct {
	fs.FS
	s       *daemon
	commits []commit
}

// files are those of the tip.
func (s *daemon) files() fs.FS {
	if s.past == nil {
		return s.tip.files(s.named())
	}
	return branch{s.tip.files(s.named()), s, append(slices.Clone(s.past), s.tip)}
}

func (b branch) History(_ context.Context, n int) (list []release.Revision, err error) {
	for _, c := range slices.Backward(b.commits) {
		list = append(list, c.revision())
	}
	return list[:min(n, len(list))], nil
}

func (b branch) At(_ context.Context, earlier release.Revision) (fs.FS, error) {
	for i, c := range b.commits {
		if c.revision().SHA == earlier.SHA {
			return branch{c.files(b.s.named()), b.s, b.commits[:i+1]}, nil
		}
	}
	return nil, fmt.Errorf("no commit %s", earlier.SHA)
}

// pushes commits, the last of them the tip, that leave the image to CI.
func (s *daemon) pushes(list ...commit) {
	if s.tip.sha != "" {
		s.past = append(s.past, s.tip)
	}
	s.past = append(s.past, list[:len(list)-1]...)
	s.push(list[len(list)-1])
}

// built is CI's work on a commit.
func (s *daemon) built(c commit) { s.world.Push("acme/shop:"+c.revision().SHA, fleettest.App{}) }

// serves checks that a commit's image serves everywhere, with its own colour.
func (s *daemon) serves(c commit) {
	s.t.Helper()
	s.runs(c.revision().SHA)
	for _, name := range s.named() {
		if got := s.world.Host(name).Env("web", "COLOUR"); got != c.env {
			s.t.Errorf("the colour of %s is %q, want %q", name, got, c.env)
		}
	}
}

// of returns the releases of a commit, oldest first.
func (s *daemon) of(c commit) (list []release.Release) {
	for _, r := range s.world.Memory.Releases() {
		if r.Revision.SHA == c.revision().SHA {
			list = append(list, r)
		}
	}
	return list
}

func TestTheNewestCommitWhoseImageExistsGoesLiveWithItsOwnFile(t *testing.T) {
	first, second, docs := commit{sha: "aaaaaaa", env: "red"}, commit{sha: "bbbbbbb", env: "green"}, commit{sha: "ddddddd", env: "blue"}
	start := func(s *daemon) {
		s.built(first)
		s.pushes(first)
		s.pass(2 * time.Minute)
		s.serves(first)
	}
	quietly := func(s *daemon) {
		s.t.Helper()
		if n := s.world.Memory.Alerts(); n != 0 {
			s.t.Errorf("%d alerts", n)
		}
		for _, r := range s.of(docs) {
			if r.Failure != nil || r.Status == release.Failed {
				s.t.Errorf("a commit without an image failed: %+v", r)
			}
		}
	}
	for name, image := range map[string]func(s *daemon){
		"which is there when both are pushed": func(s *daemon) {
			s.built(second)
			s.pushes(second, docs)
		},
		"which comes after the commit without one": func(s *daemon) {
			s.pushes(second)
			s.pushes(docs)
			s.pass(2 * time.Minute)
			s.serves(first)
			s.built(second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, two, func(s *daemon) {
				start(s)
				image(s)
				s.pass(2 * time.Minute)
				s.serves(second)
				if r := s.last(release.Waiting); r.Revision.SHA != docs.revision().SHA || !strings.Contains(r.Reason, "no image") {
					t.Errorf("release %+v", r)
				}
				s.pass(2 * calm)
				s.serves(second)
				s.quiet()
				if r := s.last(release.Unchanged); !strings.Contains(r.Reason, "within 30m0s; bbbbbbb stays live") {
					t.Errorf("reason %q", r.Reason)
				}
				quietly(s)

				s.built(docs) // very late
				s.pass(calm)
				s.serves(docs)
				s.last(release.Succeeded)
				s.quiet()
			})
		})
	}
	t.Run("and the newer one when its image comes", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			start(s)
			s.built(second)
			s.pushes(second, docs)
			s.pass(2 * time.Minute)
			s.serves(second)
			s.built(docs)
			s.pass(2 * time.Minute)
			s.serves(docs)
			quietly(s)
			s.pass(calm)
			s.quiet()
		})
	})
	t.Run("on a service that never ran", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.pushes(second, docs)
			s.pass(2 * time.Minute)
			s.last(release.Waiting)
			s.built(second)
			s.pass(2 * time.Minute)
			s.serves(second)
		})
	})
	t.Run("and one that fails is taken back and told once", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			start(s)
			s.world.Push("acme/shop:"+second.revision().SHA, fleettest.App{Status: 503, OnlyOn: []string{"b"}})
			s.pushes(second, docs)
			s.pass(2 * calm)
			s.serves(first)
			if all := s.of(second); len(all) != 1 || all[0].Status != release.RolledBack {
				t.Errorf("releases %+v", all)
			}
			s.quiet()
			s.built(docs)
			s.pass(calm)
			s.serves(docs)
			s.quiet()
		})
	})
	t.Run("through a restart in its middle", func(t *testing.T) {
		for _, after := range []time.Duration{200 * time.Millisecond, 4 * time.Second, 9 * time.Second} {
			scenario(t, two, func(s *daemon) {
				start(s)
				s.built(second)
				s.pushes(second, docs)
				time.Sleep(after)
				s.stop()
				time.Sleep(time.Hour)
				s.start()
				s.pass(2 * time.Minute)
				s.serves(second)
				if all := s.of(second); len(all) != 1 || all[0].Status != release.Succeeded {
					t.Errorf("stopped after %s: releases %+v", after, all)
				}
				quietly(s)
			})
		}
	})
	t.Run("while a person's word is what goes on", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			s.kamal("v1")
			s.built(second)
			s.pushes(second, docs)
			s.pass(2 * time.Minute)
			s.runs("v1")
			if r := s.last(release.Waiting); !strings.Contains(r.Reason, "first contact") {
				t.Errorf("reason %q", r.Reason)
			}
			s.ask(release.Request{Resume: true})
			s.pass(2 * time.Minute)
			s.serves(second)
		})
	})
	t.Run("and a canary of it is not ended by the other", func(t *testing.T) {
		scenario(t, two, func(s *daemon) {
			start(s)
			slow := second
			slow.more = "  roles:\n    web: {strategy: canary, canary: {percent: 10, for: 12m}}\n"
			s.built(slow)
			s.pushes(slow, docs)
			s.pass(calm)
			s.serves(slow)
			if all := s.of(slow); len(all) != 1 {
				t.Errorf("releases %+v", all)
			}
		})
	})
}

func TestAfterARollbackResumeGoesToTheNewestCommitThatHasAnImage(t *testing.T) {
	first, second, docs := commit{sha: "aaaaaaa", env: "red"}, commit{sha: "bbbbbbb", env: "green"}, commit{sha: "ddddddd", env: "blue"}
	scenario(t, two, func(s *daemon) {
		for _, c := range []commit{first, second} {
			s.built(c)
			s.pushes(c)
			s.pass(2 * time.Minute)
			s.serves(c)
		}
		s.pushes(docs)
		s.pass(2 * time.Minute)
		s.ask(release.Request{Rollback: true})
		s.pass(calm)
		s.serves(first)
		s.ask(release.Request{Resume: true})
		s.pass(2 * time.Minute)
		s.serves(second)
	})
}

func TestAPersonPutsADeployYmlOnTheImageBeforeIt(t *testing.T) {
	first, config := commit{sha: "aaaaaaa", env: "red"}, commit{sha: "ccccccc", env: "blue"}
	scenario(t, two, func(s *daemon) {
		s.built(first)
		s.pushes(first)
		s.pass(2 * time.Minute)
		s.pushes(config)
		s.pass(2 * calm)
		s.serves(first)
		s.ask(release.Request{})
		s.pass(2 * time.Minute)
		s.runs(first.revision().SHA)
		if got := s.world.Host("b").Env("web", "COLOUR"); got != "blue" {
			t.Errorf("the colour is %q", got)
		}
		s.quiet()
	})
}
