package actor

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// Daemon is `fairlead watch` as a process: the real program.
type Daemon struct {
	// Program is the path of fairlead, Conf that of fairlead.yml.
	Program, Conf string
	// Log is the file that its log is added to.
	Log string
	// Env are variables, NAME=value, besides this process's own.
	Env []string

	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended, with err
	err     error
}

// stopTime is how long SIGTERM may take.
const stopTime = 30 * time.Second

// Build makes the program in dir as `make build` does, and returns its path.
func Build(ctx context.Context, dir, version string) (string, error) {
	program := filepath.Join(dir, "fairlead")
	return program, fleet.Compile(ctx, "github.com/fairlead-deploy/fairlead/cmd/fairlead", program, "-X main.version="+version)
}

// NewSecret makes a secret to sign with.
func NewSecret() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

// Start starts the process. It lives until Stop or Kill, or until this process
// ends.
func (d *Daemon) Start() error {
	log, err := os.OpenFile(d.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the daemon's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(d.Program, "watch", "--config", d.Conf)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), d.Env...)
	// A Ctrl-C is for the caller, which then ends the daemon in its own time.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start fairlead: %w", err)
	}
	ended := make(chan struct{})
	d.process, d.ended = cmd, ended
	go func() {
		d.err = cmd.Wait()
		close(ended)
	}()
	return nil
}

// Running tells whether Start was called and neither Stop nor Kill since.
func (d *Daemon) Running() bool { return d.process != nil }

// Pid is the process's id.
func (d *Daemon) Pid() int { return d.process.Process.Pid }

// Ended is closed when the process that was started last has ended.
func (d *Daemon) Ended() <-chan struct{} { return d.ended }

// Kill ends the daemon as a power cut would.
func (d *Daemon) Kill() error {
	if err := d.process.Process.Kill(); err != nil {
		return fmt.Errorf("kill fairlead: %w", err)
	}
	<-d.ended
	d.process = nil
	return nil
}

// Stop ends the daemon as systemd would. One that does not run is stopped
// already.
func (d *Daemon) Stop() error {
	if d.process == nil {
		return nil
	}
	_ = d.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
		d.process = nil
		if d.err != nil {
			return fmt.Errorf("fairlead ended: %w", d.err)
		}
		return nil
	case <-time.After(stopTime):
		return errors.Join(fmt.Errorf("fairlead did not stop within %s of SIGTERM", stopTime), d.Kill())
	}
}

// LastLines is the end of the daemon's log.
func (d *Daemon) LastLines() string {
	text, err := os.ReadFile(d.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
