// Command release builds a release of Fairlead into a folder:
//
//	go run ./internal/packaging/cmd/release -version v1.2.3 -out dist
//
// Archives and Debian packages for Linux, archives with the command line for
// macOS, container images for `docker load`, and SHA256SUMS. The same commit,
// Go and CA roots make the same bytes. Run it from the module's root.
//
// Lives here: building and naming. What is in an archive is package
// packaging's, what is in an image internal/image's.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/packaging"
)

func main() {
	r := release{}
	flag.StringVar(&r.version, "version", "", "the release's, such as v1.2.3")
	flag.StringVar(&r.out, "out", "dist", "the folder to write to")
	targets := flag.String("targets", "linux/amd64 linux/arm64 darwin/amd64 darwin/arm64", "what to build for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := r.run(ctx, strings.Fields(*targets)); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

type release struct {
	version string
	out     string
	time    time.Time
	parts   packaging.Parts
	written []string
}

var versionForm = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`) // semver.org, without build metadata

func (r *release) run(ctx context.Context, targets []string) error {
	if !versionForm.MatchString(r.version) {
		return fmt.Errorf("-version %q is none such as v1.2.3", r.version)
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	var err error
	if r.time, err = commitTime(ctx); err != nil {
		return err
	}
	license, lerr := os.ReadFile("LICENSE")
	readme, rerr := os.ReadFile("README.md")
	if err := errors.Join(lerr, rerr); err != nil {
		return err
	}
	r.parts = packaging.Parts{Version: r.version, License: license, Readme: readme}
	build, err := os.MkdirTemp("", "fairlead-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build)
	if err := r.completions(ctx, build); err != nil {
		return err
	}
	for _, target := range targets {
		if err := r.target(ctx, build, target); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return packaging.Sums(r.out, r.written)
}

// commitTime is SOURCE_DATE_EPOCH (reproducible-builds.org), else the commit's.
func commitTime(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := run(ctx, nil, "git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, err
		}
		text = out
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read commit time: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// completions asks a program for this machine for its shells' completions, and
// for its manual.
func (r *release) completions(ctx context.Context, dir string) error {
	prog, err := r.build(ctx, dir, runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return err
	}
	r.parts.Completions = map[string][]byte{}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := run(ctx, nil, prog, "completion", shell)
		if err != nil {
			return err
		}
		r.parts.Completions[shell] = []byte(text)
	}
	return r.manual(ctx, prog, filepath.Join(dir, "man"))
}

// manual asks the program for its manual pages.
func (r *release) manual(ctx context.Context, prog, dir string) error {
	if _, err := run(ctx, nil, prog, "man", "--dir", dir); err != nil {
		return err
	}
	pages, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	r.parts.Manual = map[string][]byte{}
	for _, page := range pages {
		if r.parts.Manual[page.Name()], err = os.ReadFile(filepath.Join(dir, page.Name())); err != nil {
			return err
		}
	}
	return nil
}

// build builds the program for a target and returns its file.
func (r *release) build(ctx context.Context, dir, system, arch string) (string, error) {
	file := filepath.Join(dir, "fairlead-"+system+"-"+arch)
	env := []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + arch}
	_, err := run(ctx, env, cmp.Or(os.Getenv("GO"), "go"), "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid= -X main.version="+r.version, "-o", file, "./cmd/fairlead")
	return file, err
}

// target makes all packages of one target.
func (r *release) target(ctx context.Context, dir, target string) error {
	system, arch, ok := strings.Cut(target, "/")
	if !ok {
		return errors.New("is no OS/ARCH")
	}
	file, err := r.build(ctx, dir, system, arch)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	names, err := r.parts.Write(r.out, packaging.Program{OS: system, Arch: arch, Content: content}, r.time)
	if err != nil {
		return err
	}
	r.written = append(r.written, names...)
	if system != "linux" {
		return nil
	}
	image := fmt.Sprintf("fairlead_%s_%s_%s.image.tar", r.version, system, arch)
	_, err = run(ctx, nil, cmp.Or(os.Getenv("GO"), "go"), "run", "./internal/image",
		"-program", file, "-arch", arch, "-ref", "fairlead:"+r.version, "-out", filepath.Join(r.out, image))
	r.written = append(r.written, image)
	return err
}

// run runs a program, with more environment, and returns what it prints.
func run(ctx context.Context, env []string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", strings.Join(argv, " "), err, errs.String())
	}
	return string(out), nil
}
