package bugs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// least is how many bugs there must be, so that none is lost by accident.
const least = 40

// Limits of one build and one run, for a machine that is busy.
const (
	buildTime = 5 * time.Minute
	testTime  = 2 * time.Minute
)

// each runs f for every bug, as a subtest of the bug's name.
func each(t *testing.T, f func(t *testing.T, b bug)) {
	paths, err := filepath.Glob("testdata/bugs/*.patch")
	if err != nil || len(paths) < least {
		t.Fatalf("%d bugs, %v; at least %d are wanted", len(paths), err, least)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".patch"), func(t *testing.T) {
			t.Parallel()
			b, err := load(path)
			if err != nil {
				t.Fatal(err)
			}
			f(t, b)
		})
	}
}

func root(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryPatchStillApplies(t *testing.T) {
	module := root(t)
	each(t, func(t *testing.T, b bug) {
		if _, err := b.apply(module); err != nil {
			t.Errorf("%s\nThe patch does not apply any more, adapt it: %v", b.says, err)
		}
	})
}

func TestEverySeededBugIsCaught(t *testing.T) {
	l := &lab{root: root(t), dir: t.TempDir(), binaries: map[string]func() (string, error){}, healthy: map[catcher]func() error{}}
	each(t, l.hunt)
}

// lab builds and runs tests.
type lab struct {
	root, dir string // of the module, for binaries

	mu       sync.Mutex
	binaries map[string]func() (string, error) // without any bug, by package
	healthy  map[catcher]func() error
}

// hunt fails unless the bug's tests pass without it and fail with it.
func (l *lab) hunt(t *testing.T, b bug) {
	begin := time.Now()
	files, err := b.apply(l.root)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.passes(t.Context(), b.catcher); err != nil {
		t.Fatalf("%s\nWithout the bug its tests fail already: %v", b.says, err)
	}
	bad, err := l.build(t.Context(), b.catcher.pkg, b.name, files)
	if err != nil {
		t.Fatalf("%s\nThe bug does not compile, adapt it: %v", b.says, err)
	}
	defer os.Remove(bad)
	built := time.Since(begin)
	err = l.run(t.Context(), bad, b.catcher)
	failed, ok := errors.AsType[*failedError](err)
	switch {
	case err == nil:
		t.Fatalf("%s\nNobody notices: go test %s %s", b.says, b.catcher.pkg, b.catcher.args)
	case !ok:
		t.Fatalf("%s\nIts tests did not run: %v", b.says, err)
	}
	t.Logf("%s\nCaught by %s: %s (%.1f s, of which building %.1f s)",
		b.says, b.catcher.pkg, failed.first(), time.Since(begin).Seconds(), built.Seconds())
}

// passes runs the tests without any bug, once.
func (l *lab) passes(ctx context.Context, c catcher) error {
	l.mu.Lock()
	build, ok := l.binaries[c.pkg]
	if !ok {
		build = sync.OnceValues(func() (string, error) { return l.build(ctx, c.pkg, "good"+strings.ReplaceAll(c.pkg, "/", "_"), nil) })
		l.binaries[c.pkg] = build
	}
	run, ok := l.healthy[c]
	if !ok {
		run = sync.OnceValue(func() error {
			good, err := build()
			if err != nil {
				return err
			}
			return l.run(ctx, good, c)
		})
		l.healthy[c] = run
	}
	l.mu.Unlock()
	return run()
}

// build compiles the tests of a package with some files in place of others.
func (l *lab) build(ctx context.Context, pkg, name string, files map[string]string) (binary string, err error) {
	replace := map[string]string{}
	for file, text := range files {
		path := filepath.Join(l.dir, name+"_"+strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(l.root, file)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(l.dir, name+".json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, buildTime, errors.New("the build took too long"))
	defer cancel()
	binary = filepath.Join(l.dir, name+".test")
	// Without symbols it links faster.
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", list, "-ldflags=-s -w", "-o", binary, pkg)
	cmd.Dir = l.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", errors.Join(err, context.Cause(ctx)), out)
	}
	return binary, nil
}

// run runs tests; a *failedError says that some failed.
func (l *lab) run(ctx context.Context, binary string, c catcher) error {
	ctx, cancel := context.WithTimeoutCause(ctx, testTime, errors.New("the tests took too long"))
	defer cancel()
	args := []string{"-test.v", "-test.failfast", "-test.timeout=0"}
	if c.args != "" {
		args = append(args, strings.Split(c.args, "\n")...)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join(l.root, c.pkg)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	switch exit, ok := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && !strings.Contains(string(out), "--- PASS"):
		return errors.New("there are no such tests")
	case err == nil:
		return nil
	case ok && exit.Exited():
		return &failedError{string(out)}
	}
	return err
}

// failedError is the output of tests of which some failed.
type failedError struct{ out string }

func (e *failedError) Error() string {
	return "tests failed:\n" + e.out[max(0, len(e.out)-4000):]
}

// first returns the test that failed first, and what it said.
func (e *failedError) first() string {
	name := regexp.MustCompile(`--- FAIL: (\S+)`).FindStringSubmatch(e.out)
	said := regexp.MustCompile(`(?m)^ +\w+_test\.go:\d+: .*|^panic: .*`).FindString(e.out)
	if name == nil {
		name = []string{"", "(a panic)"}
	}
	said = strings.TrimSpace(said)
	return name[1] + ": " + said[:min(len(said), 160)]
}
