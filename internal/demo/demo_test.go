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

// until waits for a text behind another one.
func (s *screen) until(ctx context.Context, behind, text string) error {
	for {
		if _, after, ok := strings.Cut(s.String(), behind); ok && strings.Contains(after, text) {
			return nil
		}
		select {
		case <-s.news:
		case <-ctx.Done():
			return fmt.Errorf("the demo does not print %q: %w", text, context.Cause(ctx))
		}
	}
}

// told are the indented lines that the demo prints between two texts, as
// somebody types them.
func told(printed, from, to string) (lines []string) {
	_, after, _ := strings.Cut(printed, from)
	after, _, _ = strings.Cut(after, to)
	for line := range strings.Lines(after) {
		if cmd, ok := strings.CutPrefix(line, "  "); ok {
			lines = append(lines, strings.TrimSpace(cmd))
		}
	}
	return lines
}

func TestTheStoryComesOutAndAPushByHandGoesLive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, interrupt := context.WithCancel(t.Context())
	pulls := watchPulls(t)
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
	if err := out.until(playing, goodWords, lastWords); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Log(out)
	if !strings.Contains(out.String(), "0 of ") {
		t.Error("it does not say how many requests failed")
	}
	playing, done := context.WithTimeoutCause(playing, 2*time.Minute, errors.New("for two minutes"))
	defer done()
	pushByHand(t, playing, out)
	interrupt()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, end, _ := strings.Cut(out.String(), "Interrupted; removing all of it."); end != "\nNothing of it is left.\n" {
		t.Errorf("at the end it says %q", end)
	}
	pulls()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// The demo prints what to type, in these words.
const (
	goodWords = "Push a commit of your own, and watch it go live:"
	badWords  = "Then one that does not work, and watch it come back by itself:"
	lastWords = "What Fairlead says of it is told here:"
)

// pushByHand types what the demo prints, as somebody who never used Git here:
// one commit that goes live, and one that comes back. The demo tells of both.
func pushByHand(t *testing.T, ctx context.Context, out *screen) {
	t.Helper()
	printed := out.String()
	good, bad := told(printed, goodWords, badWords), told(printed, badWords, lastWords)
	if len(good) != 3 || len(bad) != 2 {
		t.Fatalf("the demo prints %q and %q", good, bad)
	}
	shell(t, good)
	if err := out.until(ctx, lastWords, " is live on 2 hosts\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	serves(t, ctx, printed, v1)
	folder, _, _ := strings.Cut(good[0], " && ")
	shell(t, append([]string{"cd " + folder[strings.LastIndex(folder, " ")+1:]}, bad...))
	if err := out.until(ctx, lastWords, yours+" failed; back on "+v1+" on 2 hosts: "); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	serves(t, ctx, printed, v1)
}

// shell runs commands in one shell, with a home folder that is empty.
func shell(t *testing.T, commands []string) {
	t.Helper()
	script := strings.Join(commands, "\n")
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", script, err, said)
	}
}

// serves asks the address that the demo prints.
func serves(t *testing.T, ctx context.Context, printed, version string) {
	t.Helper()
	looks := told(printed, "From another terminal:", goodWords)
	for _, line := range looks {
		if _, address, ok := strings.Cut(line, "curl "); ok {
			if err := untilAnswers(ctx, actor.Site{Address: strings.TrimSuffix(address, "/version")}, version); err != nil {
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
	pulls := watchPulls(t)
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
	if !strings.Contains(out.String(), "this machine's own engine plays the one server: servers of their own need root\n") {
		t.Errorf("it does not say in one line that it uses the local engine, and why:\n%s", out.String())
	}
	listensHereOnly(t, s)
	if pulls() == 0 {
		t.Error("not even v2 was pulled")
	}
}
