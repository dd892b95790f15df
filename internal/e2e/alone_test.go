package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// person is somebody with a checkout, keys of their own and no daemon.
type person struct {
	*scenario
	home, dir string
}

// alone prepares a person whose ssh reaches the hosts.
func alone(s *scenario) *person {
	p := &person{scenario: s, home: s.path("home"), dir: s.path("checkout")}
	key, err := os.ReadFile(shared.fleet.Key)
	s.do(err)
	known, err := os.ReadFile(shared.fleet.KnownHosts)
	s.do(err)
	for name, text := range map[string][]byte{
		"home/.ssh/id_ed25519": key, "home/.ssh/known_hosts": known,
		"checkout/.kamal/secrets": []byte("REGISTRY_PASSWORD=$(printf %s " + registryPassword + ")\n"),
		"alone.yml":               []byte(`registries: { "` + shared.fleet.Registry + `": { insecure: true } }` + "\nsocket: " + s.path("none") + "\n"),
	} {
		s.do(os.MkdirAll(filepath.Dir(s.path(name)), 0o700))
		s.do(os.WriteFile(s.path(name), text, 0o600))
	}
	p.git("init", "-q", "-b", "main")
	return p
}

// git runs Git in the checkout and returns what it says.
func (p *person) git(args ...string) string {
	p.Helper()
	cmd := exec.CommandContext(p.Context(), "git", append([]string{"-c", "user.name=Ana", "-c", "user.email=ana@example.com"}, args...)...)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// writes commits a deploy.yml.
func (p *person) writes(file yml) {
	p.Helper()
	p.do(os.MkdirAll(filepath.Join(p.dir, "config"), 0o700))
	p.do(os.WriteFile(filepath.Join(p.dir, "config/deploy.yml"), []byte(file.String()), 0o600))
	p.git("add", "config")
	p.git("commit", "-q", "-m", "Change it")
}

func (p *person) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.Context(), shared.program, append(args, "--config", p.path("alone.yml"))...)
	cmd.Dir = p.dir
	cmd.Env = []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "SUDO_USER=ana"}
	return cmd
}

func (p *person) wants(status int, says string, args ...string) {
	p.Helper()
	p.note(args)
	if out, got := p.outcome(p.command(args...)); got != status || !strings.Contains(out, says) {
		p.Errorf("%v ends with %d, want %d and %q; it says\n%s", args, got, status, says, out)
	} else {
		p.Log(out)
	}
}

// wantsOnce is wants over one SSH connection to each host, for a test that has
// the hosts to itself.
func (p *person) wantsOnce(status int, says string, args ...string) {
	p.Helper()
	before := p.connections()
	p.wants(status, says, args...)
	for name, n := range p.connections() {
		if n-before[name] != 1 {
			p.Errorf("%v takes %d SSH connections to %s, want 1", args, n-before[name], name)
		}
	}
}

func TestADeployFromACheckoutNeedsNoDaemon(t *testing.T) {
	s := begin(t, "alone")
	for _, v := range []string{"v1", "v2", "v3"} {
		s.image(v, nil)
	}
	p := alone(s)
	p.writes(s.file("v1"))
	p.wants(2, "2 of 2 hosts would change", "plan")
	p.wants(0, "is live on 2 hosts", "deploy")
	s.answers("v1")
	p.wants(0, "nothing to do", "plan")
	p.wants(0, "unchanged", "deploy")

	p.writes(s.file("v2"))
	leave := s.visitors()
	p.wants(0, "is live on 2 hosts", "deploy")
	s.answers("v2")
	p.wants(0, "is live on 2 hosts", "rollback")
	s.answers("v1")
	leave()

	p.writes(s.file("v3"))
	cmd := p.command("deploy")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	s.do(err)
	s.do(cmd.Start())
	buf, seen := make([]byte, 4096), ""
	for !strings.Contains(seen, "switching") {
		n, err := out.Read(buf)
		if seen += string(buf[:n]); err != nil {
			t.Fatalf("it ends after %q", seen)
		}
	}
	s.do(cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(said.String(), "safe point") {
		t.Errorf("Ctrl-C ends with %d and %q", code, said.String())
	}
	t.Log(seen, said.String())
	p.wants(0, "is live on 2 hosts", "deploy")
	s.answers("v3")
	s.runs(s.web("v3"))
}
