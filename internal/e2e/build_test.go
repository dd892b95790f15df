package e2e_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

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

// onBuilder runs a command on the builder and wants it to say something; "" is
// nothing at all.
func (p *person) onBuilder(want, line string) {
	p.Helper()
	if out, err := p.hosts[0].SSH(p.Context(), line); strings.TrimSpace(out) != want {
		p.Errorf("on the builder %s says %q (%v), want %q", line, out, err, want)
	}
}

// published is the digest of a tag of the service at the registry, "" where
// there is none; arch chooses one of several.
func (p *person) published(tag, arch string) string {
	p.Helper()
	ref, err := name.NewTag(shared.fleet.RegistryLocal+"/"+p.service+":"+tag, name.Insecure)
	p.do(err)
	account := remote.WithAuth(&authn.Basic{Username: registryUser, Password: registryPassword})
	if arch == "" {
		d, err := remote.Head(ref, account)
		if err != nil {
			return ""
		}
		return d.Digest.String()
	}
	img, err := remote.Image(ref, account, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
	p.do(err)
	config, err := img.ConfigFile()
	p.do(err)
	if config.Architecture != arch || config.Config.Labels["service"] != p.service {
		p.Errorf("%s for %s is for %s, with %v", tag, arch, config.Architecture, config.Config.Labels)
	}
	d, err := img.Digest()
	p.do(err)
	return d.String()
}

// writesAll commits files.
func (p *person) writesAll(files map[string]string) (sha string) {
	p.Helper()
	for name, text := range files {
		p.do(os.MkdirAll(filepath.Dir(filepath.Join(p.dir, name)), 0o700))
		p.do(os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o700))
	}
	p.git("add", "-A", ".")
	p.git("commit", "-q", "-m", "Change it")
	return strings.TrimSpace(p.git("rev-parse", "HEAD"))
}

func TestEveryVerbOfBuildDoesWhatItSaysWithoutADaemon(t *testing.T) {
	const token = "canary-of-a-build"
	s := begin(t, "byverbs")
	p := alone(s)
	s.write("checkout/.kamal/secrets", "REGISTRY_PASSWORD=$(printf %s "+registryPassword+")\nTOKEN="+token+"\n")
	builder := func(arch string) string {
		return "{ arch: " + arch + ", local: false, remote: ssh://root@" + s.hosts[0].Addr + ", target: final, args: { COLOUR: red }, secrets: [TOKEN], cache: { type: registry } }"
	}
	file := s.built().with("builder", builder("amd64")).with("hooks", `{ pre-build: ["printf '%s %s\n' $KAMAL_COMMAND $KAMAL_SUBCOMMAND >> byverbs-hook"] }`)
	files := s.source("one", file)
	files["Dockerfile"] = strings.Replace(files["Dockerfile"], "FROM base AS final\n", "RUN --mount=type=secret,id=TOKEN,required=true [\"/app\", \"cat\", \"/run/secrets/TOKEN\"]\nFROM base AS final\n", 1)
	files[".gitignore"] = ".kamal/secrets\nseen\n"
	files[".kamal/hooks/pre-build"] = "#!/bin/sh\necho \"$KAMAL_VERSION $KAMAL_PERFORMER $HOME\" >> seen\n"
	first := p.writesAll(files)
	name := shared.fleet.Registry + "/" + s.service
	t.Cleanup(func() { _, _ = s.hosts[0].SSH(context.WithoutCancel(t.Context()), "rm -f byverbs-hook") })
	has := "docker image ls -q " + name + " | wc -l"
	stop := argvs(token)

	p.wants(0, "builds with its own BuildKit", "build", "details")
	p.wants(0, "builds with its own BuildKit", "build", "create")
	p.wants(0, "built "+name+":"+first+" (sha256:", "build")
	if out, _ := p.outcome(p.command("build", "--no-cache")); !strings.Contains(out, "[redacted]") || strings.Contains(out, token) {
		t.Errorf("of a step that prints a secret it says\n%s", out)
	}
	if d := p.published(first, ""); d != "" {
		t.Errorf("build has pushed %s", d)
	}
	p.onBuilder("2", "docker image ls "+name+" --format {{.Tag}} | wc -l") // and latest
	p.wants(0, "pushed "+name+":"+first, "push")
	if d := p.published(first, ""); d == "" || d != p.published("latest", "") {
		t.Errorf("the commit's image is %q at the registry, latest is %q", d, p.published("latest", ""))
	}
	if out, err := s.hosts[1].Docker(t.Context(), "image", "ls", "-q", name); strings.TrimSpace(out) != "" {
		t.Errorf("push has brought %s to a host that builds nothing (%v)", out, err)
	}
	p.wants(0, s.hosts[1].Addr+": has "+name+":"+first, "build", "pull")
	out, err := s.hosts[1].Docker(t.Context(), "image", "inspect", "-f", "{{index .RepoDigests 0}}", name+":"+first)
	if want := name + "@" + p.published(first, ""); strings.TrimSpace(out) != want {
		t.Errorf("the host has %s (%v), want %s", out, err, want)
	}
	if history, err := s.hosts[1].Docker(t.Context(), "history", "--no-trunc", name+":"+first); err != nil || strings.Contains(history, token) || !strings.Contains(history, "COLOUR=red") {
		t.Errorf("%v: its history is\n%s", err, history)
	}
	if with := stop(); len(with) > 0 {
		t.Errorf("the build's secret is among the arguments of %q", with)
	}

	p.wants(0, "removed 2 images", "build", "remove")
	p.onBuilder("0", has)
	_, err = s.hosts[0].Docker(t.Context(), "builder", "prune", "-af")
	s.do(err)
	p.wants(0, "pushed "+name+":v9", "build", "deliver", "-H", "--version", "v9")
	if p.published("v9", "") == "" {
		t.Error("deliver has pushed nothing")
	}
	for _, h := range s.hosts {
		_, err := h.Docker(t.Context(), "image", "inspect", name+":v9")
		s.do(err)
	}
	s.do(os.WriteFile(filepath.Join(p.dir, "Dockerfile"), []byte(files["Dockerfile"]+"LABEL lies=here\n"), 0o600))
	p.wants(0, "built "+name+":"+first+"-dirty", "build", "dev")
	p.onBuilder("here", "docker image inspect -f {{.Config.Labels.lies}} "+name+":"+first+"-dirty")
	if p.published(first+"-dirty", "") != "" {
		t.Error("build dev has pushed")
	}
	p.onBuilder("build\nbuild\nbuild push\nbuild dev", "cat byverbs-hook | sed 's/ *$//'")
	seen, err := os.ReadFile(filepath.Join(p.dir, "seen"))
	if want := strings.Repeat(first+" ana "+p.home+"\n", 4); string(seen) != want {
		t.Errorf("the hook's file saw %q (%v), want %q", seen, err, want)
	}

	second := p.writesAll(map[string]string{"Dockerfile": "FROM scratch AS final\nCOPY --chmod=755 bin/app /app\n", "config/deploy.yml": file.with("builder", builder("[amd64, arm64]")).String()})
	p.wants(0, "pushed "+name+":"+second, "build", "deliver")
	if one, other := p.published(second, "amd64"), p.published(second, "arm64"); one == other || one != p.published(second+"-amd64", "") || p.published("latest", "arm64") != other {
		t.Errorf("for amd64 it is %s, for arm64 %s", one, other)
	}
	out, err = s.hosts[1].Docker(t.Context(), "image", "inspect", "-f", "{{.Architecture}}", name+":"+second)
	if strings.TrimSpace(out) != "amd64" {
		t.Errorf("the host has an image for %s (%v)", out, err)
	}

	before := p.published("latest", "")
	p.writesAll(map[string]string{".kamal/hooks/pre-build": "#!/bin/sh\necho not today\nexit 4\n"})
	p.wants(1, "not today", "push")
	p.wants(1, "hook pre-build 1 (.kamal/hooks/pre-build) on Fairlead's machine ended with exit status 4", "push")
	if now := p.published("latest", ""); now != before {
		t.Errorf("after a hook that failed the registry has %s, not %s", now, before)
	}
	for what, b := range map[string]string{
		"builder.pack is not supported: buildpacks are run by the program pack":                        "{ arch: amd64, pack: { builder: heroku/builder:24 } }",
		"builder.driver: cloud acme/shop is not supported: Docker's build cloud is reached by its own": "{ arch: amd64, driver: cloud acme/shop }",
	} {
		p.writes(file.with("builder", b))
		p.wants(1, what, "push")
	}
}
