package webhook_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/watcher/mirror/mirrortest"
	"github.com/fairlead-deploy/fairlead/watcher/webhook"
)

// hooked is a repository whose post-receive hook calls a real handler.
type hooked struct {
	repo  *mirrortest.Repo
	looks chan release.Cause
	url   string
}

func newHooked(t *testing.T, secretFile string, mode os.FileMode) hooked {
	t.Helper()
	h := hooked{repo: mirrortest.NewRepo(t, t.TempDir(), "shop.git"), looks: make(chan release.Cause, 10)}
	handler, err := webhook.New([]webhook.Source{source(webhook.Generic, strings.TrimSpace(secretFile)+"x", strings.TrimSpace(secretFile))},
		func(_ string, c release.Cause) { h.looks <- c }, nil)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/hooks/{source}", handler)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	h.url = server.URL
	h.install(t, server.URL)
	at := filepath.Join(h.repo.Dir, "hooks", "fairlead.secret")
	if err := os.WriteFile(at, []byte(secretFile), mode); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h hooked) install(t *testing.T, url string) {
	t.Helper()
	at := filepath.Join(h.repo.Dir, "hooks", "post-receive")
	if err := os.WriteFile(at, []byte(webhook.PostReceive(url, "shop-hook")), 0o755); err != nil {
		t.Fatal(err)
	}
}

// push commits and pushes and returns what git printed.
func (h hooked) push(t *testing.T) string {
	t.Helper()
	h.repo.Git("commit", "--quiet", "--allow-empty", "-m", "x")
	return h.repo.Git("push", "origin", "HEAD")
}

func TestAPlainGitPushCallsTheDaemon(t *testing.T) {
	for name, secretFile := range map[string]string{
		"a usual secret":        "5f1d7a84db00d2fce00b31a7fc73224f\n",
		"odd characters":        `a'b"c\d $(e) %s é` + "\n",
		"exactly 64 characters": strings.Repeat("0123456789abcdef", 4),
		"longer than a block":   strings.Repeat("long", 40),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHooked(t, secretFile, 0o600)
			out := h.push(t)
			if len(h.looks) != 1 {
				t.Fatalf("%d looks; git said:\n%s", len(h.looks), out)
			}
			if !strings.Contains(out, "looking at refs/heads/main; watch it with: fairlead status") || !strings.Contains(out, h.url) {
				t.Errorf("git said:\n%s", out)
			}
		})
	}
}

func TestTheHookUsesWgetWhereThereIsNoCurl(t *testing.T) {
	h := newHooked(t, "secret", 0o600)
	bin := t.TempDir()
	for _, program := range []string{"sh", "wget", "openssl", "od", "tr", "cut", "ls", "cat", "dirname"} {
		at, err := exec.LookPath(program)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(at, filepath.Join(bin, program)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "sh"), filepath.Join(h.repo.Dir, "hooks", "post-receive"))
	cmd.Env = []string{"PATH=" + bin}
	cmd.Stdin = strings.NewReader(strings.Repeat("0", 40) + " " + strings.Repeat("1", 40) + " refs/heads/main\n")
	if out, err := cmd.CombinedOutput(); err != nil || len(h.looks) != 1 {
		t.Errorf("%v, %d looks:\n%s", err, len(h.looks), out)
	}
}

func TestAPushNeverFailsBecauseOfTheHook(t *testing.T) {
	for says, spoil := range map[string]func(t *testing.T, h hooked){
		"could not be reached": func(t *testing.T, h hooked) { h.install(t, "http://127.0.0.1:1") },
		"is missing":           func(t *testing.T, h hooked) { remove(t, h, "fairlead.secret") },
		"others may read": func(t *testing.T, h hooked) {
			if err := os.Chmod(filepath.Join(h.repo.Dir, "hooks", "fairlead.secret"), 0o640); err != nil {
				t.Fatal(err)
			}
		},
		"is empty": func(t *testing.T, h hooked) {
			if err := os.WriteFile(filepath.Join(h.repo.Dir, "hooks", "fairlead.secret"), []byte("\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"could not be reached at": func(t *testing.T, h hooked) { // a wrong secret
			if err := os.WriteFile(filepath.Join(h.repo.Dir, "hooks", "fairlead.secret"), []byte("wrong"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(says, func(t *testing.T) {
			h := newHooked(t, "secret", 0o600)
			spoil(t, h)
			if out := h.push(t); !strings.Contains(out, says) || len(h.looks) != 0 {
				t.Errorf("%d looks; git said:\n%s", len(h.looks), out)
			}
			if got := mirrortest.Git(t, h.repo.Dir, "rev-parse", "main"); got != h.repo.Head() {
				t.Errorf("the push did not arrive: %s", got)
			}
		})
	}
}

func TestTheHookTellsNobodyTheSecret(t *testing.T) {
	h := newHooked(t, "canary-secret", 0o600)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-x", filepath.Join(h.repo.Dir, "hooks", "post-receive"))
	cmd.Stdin = strings.NewReader(strings.Repeat("0", 40) + " " + strings.Repeat("1", 40) + " refs/heads/main\n")
	var trace bytes.Buffer
	cmd.Stdout, cmd.Stderr = &trace, &trace
	if err := cmd.Run(); err != nil || len(h.looks) != 1 {
		t.Fatalf("%v, %d looks\n%s", err, len(h.looks), &trace)
	}
	// The trace has every argument of every program that was run.
	if strings.Contains(trace.String(), "canary") {
		t.Error("the secret is an argument of some program")
	}
}

func remove(t *testing.T, h hooked, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(h.repo.Dir, "hooks", name)); err != nil {
		t.Fatal(err)
	}
}
