package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain makes this very program a proxy where it is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "kamal-proxy" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(m.Run())
}

// process is a proxy as a process of its own, whose program can be replaced.
type process struct {
	*running
	path string
	cmd  *exec.Cmd
}

// newProcess starts one. Its program is this test's with some bytes behind it, which change nothing.
func newProcess(t *testing.T) *process {
	t.Helper()
	home := t.TempDir()
	p := &process{running: &running{t: t, env: map[string]string{"HOME": home, "XDG_RUNTIME_DIR": home}, port: freePort(t), tls: freePort(t), log: &safeBuffer{}}, path: filepath.Join(home, "kamal-proxy")}
	p.url = fmt.Sprintf("http://127.0.0.1:%d", p.port)
	if err := os.WriteFile(p.path, p.program("old"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.cmd = p.command("run", "--http-port", fmt.Sprint(p.port), "--https-port", fmt.Sprint(p.tls))
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.WaitDelay = 10 * time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait()); err != nil {
			t.Errorf("the proxy ended with %v: %s", err, p.log)
		}
	})
	deadline, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for p.try("health").code != 0 {
		if deadline.Err() != nil {
			t.Fatalf("the proxy does not start: %s", p.log)
		}
	}
	return p
}

func (p *process) program(mark string) []byte {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		p.t.Fatal(err)
	}
	return append(text, mark...)
}

func (p *process) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.path, args...) // ended by a signal
	cmd.Args[0] = "kamal-proxy"
	for name, value := range p.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// upgrade gives the proxy another program, and returns what is said.
func (p *process) upgrade(program []byte) (string, error) {
	cmd := p.command("upgrade")
	cmd.Stdin = bytes.NewReader(program)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// visitors ask from now on, each time over a new connection. leave returns what went wrong, and how long
// the slowest waited.
func (p *process) visitors() (leave func() (asked int, slowest time.Duration, err error)) {
	ctx, stop := context.WithCancel(p.t.Context())
	client := fresh()
	var mu sync.Mutex
	var asked int
	var slowest time.Duration
	var failed error
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				err := ask(client, p.url+"/")
				mu.Lock()
				asked, slowest = asked+1, max(slowest, time.Since(began))
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	return func() (int, time.Duration, error) {
		stop()
		group.Wait()
		return asked, slowest, failed
	}
}

func ask(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != 200 || string(body) != "finished") {
		err = fmt.Errorf("answered %d %q", resp.StatusCode, body)
	}
	return err
}

func TestAnUpgradeRefusesNoConnectionAndCutsNoRequest(t *testing.T) {
	p := newProcess(t)
	arrived, let := make(chan struct{}), make(chan struct{})
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-let
		}
		_, _ = io.WriteString(w, "finished")
	}))
	defer target.Close()
	p.must("deploy", "shop", "--target", target.Listener.Addr().String())
	slow := make(chan error, 1)
	go func() { slow <- ask(fresh(), p.url+"/slow") }()
	<-arrived

	leave := p.visitors()
	before := p.cmd.Process.Pid
	upgraded := make(chan error, 1)
	go func() {
		said, err := p.upgrade(p.program("new"))
		if err == nil && !strings.Contains(said, "it is "+Version+" now") {
			err = fmt.Errorf("it says %q", said)
		}
		upgraded <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.log.String(), `"proxy ending"`); {
		if time.Now().After(deadline) {
			t.Fatalf("no handover: %s", p.log)
		}
	}
	// The old process has its last request still, and others are served meanwhile.
	if err := ask(fresh(), p.url+"/"); err != nil {
		t.Errorf("while the old program ends: %v", err)
	}
	close(let)
	if err := errors.Join(<-slow, <-upgraded); err != nil {
		t.Fatalf("%v; log: %s", err, p.log)
	}
	p.must("deploy", "shop", "--target", target.Listener.Addr().String())
	asked, slowest, err := leave()
	if err != nil || asked == 0 {
		t.Errorf("of %d requests: %v; log: %s", asked, err, p.log)
	}
	t.Logf("%d requests on new connections, the slowest in %s", asked, slowest)
	if p.cmd.Process.Pid != before || strings.Count(p.log.String(), `"proxy started"`) != 3 {
		t.Errorf("not the three processes that hand over: %s", p.log)
	}
	if said, err := p.upgrade(p.program("new")); err != nil || !strings.Contains(said, "it is this program already") {
		t.Errorf("the same again: %q, %v", said, err)
	}
}

func TestAProgramThatIsNoProxyChangesNothing(t *testing.T) {
	p := newProcess(t)
	p.must("deploy", "shop", "--target", app(t, "finished"))
	shell, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string][]byte{"nothing": nil, "no program": []byte("hello"), "another program": shell} {
		if said, err := p.upgrade(program); err == nil {
			t.Errorf("%s: %q", name, said)
		}
	}
	if err := ask(fresh(), p.url+"/"); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(p.path + ".[nb]*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if said, err := p.upgrade(p.program("new")); err != nil {
		t.Errorf("a proxy after that: %q, %v", said, err)
	}
}

// fresh makes a connection per request.
func fresh() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
}
