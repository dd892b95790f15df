package chaos_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/chaos/stage"
	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// row is one fault.
type row struct {
	id    string // groups rows of one kind of fault
	fault string // what happens
	then  string // what a person may expect, and what do checks
	// quick rows are in every run.
	quick bool
	// breaks: it needs hosts that no other row uses meanwhile.
	breaks bool
	do     func(*scene)
}

func (r row) title() string { return r.id + " " + r.fault }

// faults are all rows, in the order of the table.
func faults() []row {
	return slices.Concat(hostRows(), engineRows(), sshRows(), daemonRows(), twoDaemonRows(), storeRows(), ownHostRows(),
		overlaidRows(), appRows(), humanRows(), registryRows(), gitRows(), fileRows(), messageRows())
}

// scene is a service that something happens to.
type scene struct {
	*stage.Service
	registry bool // its images are in the registry that can misbehave
}

// file is a deploy.yml for a version.
func (s *scene) file(version string) stage.YAML {
	file := s.File(version)
	if s.registry {
		file["registry"] = "{ server: " + shared.registry.address + " }"
	}
	return file
}

// image pushes an image as VERSION.
func (s *scene) image(version string, knobs map[string]string) {
	s.Helper()
	if s.registry {
		img := shared.App.Image(version, knobs)
		img.Files = map[string]string{"/image": s.Lane + ":" + version} // a layer that no host has
		s.Do(shared.registry.push(s.Context(), img, s.Lane+":"+version))
		return
	}
	s.Image(version, knobs)
}

// live starts the daemon and deploys v1.
func (s *scene) live() (sha string) { return s.liveWith(nil) }

func (s *scene) liveWith(knobs map[string]string) (sha string) {
	s.Helper()
	s.image("v1", knobs)
	s.Start()
	sha = s.Push(s.file("v1"))
	s.Ends(sha, release.Succeeded)
	return sha
}

// slow are the knobs of a version that takes its time to get ready, so that
// something can happen meanwhile.
func slow() map[string]string { return map[string]string{"BOOT_DELAY": "4s"} }

// push makes an image and pushes a deploy.yml for it.
func (s *scene) push(version string, knobs map[string]string) (sha string) {
	s.Helper()
	s.image(version, knobs)
	return s.Push(s.file(version))
}

// followsGitAgain checks that whatever happened, the next commit goes live, is
// in the history, and that no trouble is told of any more.
func (s *scene) followsGitAgain() {
	s.Helper()
	if !s.Daemon.Running() {
		s.Start()
	}
	sha := s.push("next", nil)
	s.Ends(sha, release.Succeeded)
	s.Serves("next")
	history := s.History()
	if len(history) == 0 || history[0].Revision.SHA != sha || history[0].Status != release.Succeeded {
		s.Errorf("the newest in the history is %+v", history)
	}
	s.EndedOnce(sha)
	s.Until("every alert has ended", func() bool { return len(s.alerts()) == 0 })
}

// alerts are those that have not ended.
func (s *scene) alerts() []string {
	open := map[string]string{}
	for _, ev := range s.Inbox.Events() {
		switch ev.Kind {
		case release.EventAlert:
			open[ev.Key] = ev.Message
		case release.EventRecovered:
			delete(open, ev.Key)
		}
	}
	var messages []string
	for key, message := range open {
		messages = append(messages, key+": "+message)
	}
	return messages
}

// breaks does something and returns what mends it, which is done at the end of
// the test at the latest.
func (s *scene) breaks(do, undo func(context.Context) error) (mend func()) {
	s.Helper()
	once := sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeoutCause(context.Background(), stage.Patience, errors.New("mending took too long"))
		defer cancel()
		return undo(ctx)
	})
	s.Cleanup(func() {
		if err := once(); err != nil {
			s.Error(err)
		}
	})
	s.Do(do(s.Context()))
	return func() { s.Helper(); s.Do(once()) }
}

// noticed waits until something is told, after a moment, with these words.
func (s *scene) noticed(since time.Time, words ...string) release.Event {
	s.Helper()
	return s.ToldThat("tells of "+strings.Join(words, ", "), func(ev release.Event) bool {
		return ev.At.After(since) && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(ev.Message, word) })
	})
}

// lasting waits for a time: what is to happen does, by itself, meanwhile.
func (s *scene) lasting(d time.Duration) {
	s.Helper()
	select {
	case <-time.After(d):
	case <-s.Context().Done():
		s.Fatal(s.Context().Err())
	}
}

// last is the host that is broken.
func (s *scene) last() *fleet.Host { return s.Hosts[len(s.Hosts)-1] }

// untilServes waits for every host to answer a version, from its container
// alone: for what nobody tells of.
func (s *scene) untilServes(version string) {
	s.Helper()
	s.Until(version+" alone runs and answers everywhere", func() bool {
		for _, h := range s.Hosts {
			if got, err := s.Answer(h); err != nil || got != version {
				return false
			}
			if !slices.Equal(s.Running(h), []string{s.Web(version)}) {
				return false
			}
		}
		return true
	})
	s.Unlocked()
}
