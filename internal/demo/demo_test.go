package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// screen is what the demo prints, for several goroutines.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{} // has room for one
}

func newScreen() *screen { return &screen{news: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits for a text.
func (s *screen) until(ctx context.Context, text string) error {
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.news:
		case <-ctx.Done():
			return fmt.Errorf("the demo does not print %q: %w", text, context.Cause(ctx))
		}
	}
	return nil
}

// told are the indented lines that the demo prints from one text to the end,
// as somebody types them.
func told(printed, from string) (lines []string) {
	_, after, _ := strings.Cut(printed, from)
	for line := range strings.Lines(after) {
		if cmd, ok := strings.CutPrefix(line, "  "); ok && !strings.Contains(cmd, "requests failed") {
			lines = append(lines, strings.TrimSpace(cmd))
		}
	}
	return lines
}

func TestTheStoryComesOutAndAPushByHandGoesLive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	out, ended := newScreen(), make(chan error, 1)
	playing, over := context.WithCancelCause(ctx)
	go func() {
		err := run(ctx, out, false)
		over(fmt.Errorf("the demo ended: %w", err))
		ended <- err
		close(ended)
	}()
	defer func() {
		interrupt()
		<-ended
	}()
	if err := out.until(playing, "&& git push\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	if !strings.Contains(out.String(), "0 of ") {
		t.Error("it does not say how many requests failed")
	}
	pushByHand(t, out)
	interrupt()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, end, _ := strings.Cut(out.String(), "Interrupted; removing all of it."); end != "\nNothing of it is left.\n" {
		t.Errorf("at the end it says %q", end)
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// pushByHand types what the demo prints, as somebody who never used Git here,
// and waits until it is live.
func pushByHand(t *testing.T, out *screen) {
	t.Helper()
	dir := t.TempDir()
	commands := told(out.String(), "Push a commit of your own")
	if len(commands) != 3 {
		t.Fatalf("the demo prints %q", commands)
	}
	script := strings.ReplaceAll(strings.Join(commands, "\n"), "/tmp/demo", dir+"/demo")
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", script, err, said)
	}
	looks := told(out.String(), "From another terminal:")
	for _, line := range looks {
		if _, address, ok := strings.Cut(line, "curl "); ok {
			at := actor.Site{Address: strings.TrimSuffix(address, "/version")}
			if err := untilAnswers(t.Context(), at, v1); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Errorf("the demo prints no address to ask: %q", looks)
}

func TestAnInterruptCleansUp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	s := &stage{out: &bytes.Buffer{}}
	err := tell(ctx, s.out, []step{{"Look", s.prepare}, {"Start servers", s.startFleet}, {"Somebody presses Ctrl-C", func(ctx context.Context) (string, error) {
		interrupt()
		return "", ctx.Err()
	}}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("told %v", err)
	}
	run := s.ground.(fleetGround).Run
	if err := s.clear(); err != nil {
		t.Fatal(err)
	}
	left, err := exec.CommandContext(t.Context(), "docker", "ps", "-aq", "--filter", "label=fairlead.fleet="+run).Output()
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %s, %v", left, err)
	}
}

func TestTheFirstFailingStepEndsTheStoryWithItsSentence(t *testing.T) {
	var out bytes.Buffer
	told := 0
	ok := step{"All is well", func(context.Context) (string, error) { told++; return "indeed", nil }}
	bad := step{"It rains", func(context.Context) (string, error) { return "", errors.New("no umbrella") }}
	err := tell(t.Context(), &out, []step{ok, bad, ok})
	if err == nil || err.Error() != `step 2, "It rains": no umbrella` {
		t.Errorf("got %v", err)
	}
	if told != 1 {
		t.Errorf("%d good steps were told, want 1", told)
	}
	for _, want := range []string{" 1/3  All is well", "indeed", "2/3  It rains  FAILED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q does not hold %q", out.String(), want)
		}
	}
}

func TestTheStoryEndsWithTheFirstRequestThatFailed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer srv.Close()
	s := &stage{traffic: actor.StartTraffic([]actor.Site{{Address: srv.URL}})}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.traffic.Count().Sent == 0 {
		<-tick.C
	}
	s.traffic.Stop()
	if _, err := s.noneFailed(t.Context()); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("the step says %v, want the first failure", err)
	}
}

func TestOneEngineWillDo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	s := &stage{out: &out, local: true}
	defer func() {
		if err := s.clear(); err != nil {
			t.Error(err)
		}
		left, err := exec.Command("docker", "ps", "-aq", "--filter", "label=service="+service).Output()
		if err != nil || len(left) != 0 {
			t.Errorf("left behind: %s, %v", left, err)
		}
	}()
	if err := tell(t.Context(), &out, story(s)); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if !strings.Contains(out.String(), "this machine's own engine plays the one server") {
		t.Errorf("it does not say that it uses the local engine:\n%s", out.String())
	}
}
