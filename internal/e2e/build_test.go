package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/release"
)

// source is a commit that can be built, whose program says that it is version.
func (s *scenario) source(version string, file yml) map[string]string {
	s.Helper()
	program, err := os.ReadFile(shared.app.Image(version, nil).Binary)
	s.do(err)
	return map[string]string{
		"config/deploy.yml": file.String(), "bin/app": string(program), ".dockerignore": "config\nREADME.md\n",
		"Dockerfile": "FROM scratch AS base\nCOPY --chmod=755 bin/app /app\nENV VERSION=" + version + "\nFROM base AS final\nARG COLOUR\nENV COLOUR=$COLOUR\nENTRYPOINT [\"/app\"]\n",
	}
}

// built is deploy.yml with a builder on the first host.
func (s *scenario) built() yml {
	return s.file("").with("image", s.service).
		with("builder", "{ arch: amd64, local: false, remote: ssh://root@"+s.hosts[0].Addr+", target: final, args: { COLOUR: blue & green } }")
}

// argvs watches the arguments of every process of the machine, hosts included,
// until stop, which returns those with the text.
func argvs(text string) (stop func() []string) {
	done, found := make(chan struct{}), make(chan []string)
	go func() {
		var with []string
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
			for _, f := range files {
				argv, err := os.ReadFile(f) // a process may end meanwhile
				// Another scenario's secrets file has a person's own printf.
				if err == nil && bytes.Contains(argv, []byte(text)) && !bytes.Contains(argv, []byte("printf ")) {
					with = append(with, strings.ReplaceAll(string(argv), "\x00", " "))
				}
			}
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				found <- with
				return
			}
		}
	}()
	return func() []string { close(done); return <-found }
}

func TestACommitIsBuiltPushedAndServedAndABrokenOneTouchesNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "built")
	s.settings["allow"] = "[build]"
	stop := argvs(registryPassword)
	first := s.pushFiles(s.source("one", s.built()))
	s.start()
	s.ends(first, release.Succeeded)
	s.answers("one")
	s.runs(s.web(first))
	if with := stop(); len(with) > 0 {
		t.Errorf("the registry's password is among the arguments of %q", with)
	}
	name := shared.fleet.Registry + "/" + s.service
	for _, h := range s.hosts {
		if got := s.ask(h, "/env?name=COLOUR"); got != "blue & green" {
			t.Errorf("COLOUR is %q on %s", got, h.Name)
		}
		out, err := h.Docker(t.Context(), "image", "inspect", "--format", "{{.Config.Labels.service}} {{.RepoTags}}", name+":"+first)
		if s.do(err); !strings.HasPrefix(out, "built ") || !strings.Contains(out, name+":latest") {
			t.Errorf("the image on %s is %s", h.Name, out)
		}
	}
	picture := s.picture()
	broken := s.pushFiles(map[string]string{"Dockerfile": "FROM scratch AS base\nCOPY --chmod=755 bin/app /app\nFROM base AS final\nENV EXIT=3\nRUN [\"/app\"]\n"})
	f := s.ends(broken, release.Failed).Release.Failure
	if f == nil || f.Class != release.Verdict || f.Step != "build image" || !strings.Contains(f.Message, "exit code") ||
		!slices.ContainsFunc(f.Logs, func(l string) bool { return strings.Contains(l, "told to end with code 3") }) {
		t.Errorf("the failure is %+v", f)
	}
	if now := s.picture(); now != picture {
		t.Errorf("a build that failed changed\n%s\ninto\n%s", picture, now)
	}
	s.says(2, "it is built first", "plan", "built")
	good := s.pushFiles(s.source("two", s.built()))
	s.ends(good, release.Succeeded)
	s.answers("two")
}

func TestImagesGoToHostsWithoutARegistry(t *testing.T) {
	t.Parallel()
	s := begin(t, "loaded")
	s.settings["allow"] = "[build]"
	file := s.built().with("x-fairlead", "{ window: 3s, transport: load }")
	delete(file, "registry")
	first := s.pushFiles(s.source("one", file))
	s.start()
	s.ends(first, release.Succeeded)
	s.answers("one")
	s.runs(s.web(first))
	second := s.pushFiles(s.source("two", file))
	s.ends(second, release.Succeeded)
	s.answers("two")
	for _, h := range s.hosts {
		out, err := h.Docker(t.Context(), "image", "inspect", "--format", "{{.RepoDigests}}", s.service+":"+second)
		if s.do(err); strings.TrimSpace(out) != "[]" {
			t.Errorf("%s has the image from a registry: %s", h.Name, out)
		}
	}
	s.says(0, "", "rollback", "loaded")
	s.toldThat("the first commit is live again", func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Version == first && ev.Release.Previous == second && ev.Release.Status == release.Succeeded
	})
	s.answers("one")
}
