package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Machine is one outer container: a host, the registry or the Git server. Its
// verbs do what happens to real machines; each returns when it has happened.
type Machine struct {
	// Name is "h1", "registry" or "git", also inside the fleet's own DNS.
	Name string
	// Addr is its IP address.
	Addr string

	container, network string
	role               string // host, registry or git
}

func (f *Fleet) machine(name string, n byte) *Machine {
	return &Machine{Name: name, Addr: f.address(n), container: f.name(name), network: f.name(), role: name}
}

// makeFiles writes what hostinit installs at boot for sshd: the host key and who
// may log in. The caller holds f.mu, or is alone.
func (m *Machine) makeFiles(f *Fleet) error {
	dir := f.path("machines", m.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make files of %s: %w", m.Name, err)
	}
	if err := f.makeHostKey(filepath.Join(dir, "ssh_host_ed25519_key"), m.Addr); err != nil {
		return err
	}
	public, err := os.ReadFile(f.Key + ".pub")
	if err != nil {
		return fmt.Errorf("read public key: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "authorized_keys"), public, 0o644)
}

// run creates and boots the machine and waits until its services answer.
func (m *Machine) run(ctx context.Context, f *Fleet, extra ...string) error {
	args := append([]string{"run", "-d", "--name", m.container, "--hostname", m.Name, "--network", m.network,
		"--network-alias", m.Name, "--ip", m.Addr, "--dns", "127.0.0.1", "--tmpfs", "/run:mode=755", "--tmpfs", "/tmp",
		"-v", f.path("bin") + ":/fleet/bin:ro", "-v", f.path("machines", m.Name) + ":/fleet/etc:ro",
		"-e", "FLEET_ADDR=" + m.Addr, "-e", "FLEET_REGISTRY=" + f.Registry}, f.labels()...)
	if f.opts.Unpacked == "" {
		args = append(args, "-v", f.opts.usr+":/usr:ro")
	} else {
		args = append(args, "-v", f.opts.usr+":/fleet/usr:ro", "-v", filepath.Join(f.opts.Unpacked, "usr")+":/fleet/unpacked:ro")
	}
	caps, err := capabilities()
	if err != nil {
		return err
	}
	args = append(append(args, caps...), extra...)
	if _, err := docker(ctx, append(args, f.image(), m.role)...); err != nil {
		return fmt.Errorf("create %s: %w", m.Name, err)
	}
	return m.ready(ctx)
}

// ready waits until the machine's services answer; the error holds the last
// lines of its console when it is down.
func (m *Machine) ready(ctx context.Context) error {
	_, err := m.hostinit(ctx, "ready", m.role)
	if err == nil {
		return nil
	}
	console, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "5", m.container).CombinedOutput()
	return fmt.Errorf("boot %s: %w; console: %q", m.Name, err, console)
}

// Exec runs a program on the machine as root, not over SSH but as somebody at
// its console would, and returns what it printed.
func (m *Machine) Exec(ctx context.Context, argv ...string) (string, error) {
	return docker(ctx, append([]string{"exec", m.container}, argv...)...)
}

func (m *Machine) hostinit(ctx context.Context, args ...string) (string, error) {
	return m.Exec(ctx, append([]string{"/fleet/bin/hostinit"}, args...)...)
}
