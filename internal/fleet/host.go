package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Host is a server to deploy to: a Machine with a Docker engine and an sshd.
type Host struct {
	*Machine

	key, knownHosts string
	bounded         bool // the disk has a size of its own
}

func (f *Fleet) host(number int) *Host {
	m := f.machine(fmt.Sprintf("h%d", number), byte(10+number))
	m.role = "host"
	return &Host{Machine: m, key: f.Key, knownHosts: f.KnownHosts, bounded: f.opts.DiskMB > 0}
}

func (f *Fleet) runHost(ctx context.Context, h *Host) error {
	var disk []string
	var err error
	if h.bounded {
		disk, err = f.boundedDisk(h.Name)
	} else {
		disk, err = f.disk(ctx, h.Name, "/var/lib/docker")
	}
	if err != nil {
		return err
	}
	return h.run(ctx, f, disk...)
}

// Docker runs docker with these arguments on the host, not over SSH, and
// returns what it printed.
func (h *Host) Docker(ctx context.Context, args ...string) (string, error) {
	return h.Exec(ctx, append([]string{"docker"}, args...)...)
}

// Load puts an image into the host's engine without a registry. ref is its
// name there, like "app:v1".
func (h *Host) Load(ctx context.Context, img Image, ref string) error {
	built, err := img.Build()
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	read, write := io.Pipe()
	go func() { write.CloseWithError(tarball.Write(tag, built, write)) }() // ends when read is closed
	defer read.Close()
	if _, err := command(ctx, read, "docker", "exec", "-i", h.container, "docker", "load", "-q"); err != nil {
		return fmt.Errorf("load image on %s: %w", h.Name, err)
	}
	return nil
}

// Dial opens an SSH connection to the host as "root" or "deploy", with the
// fleet's key and the host's known key only.
func (h *Host) Dial(ctx context.Context, user string) (*ssh.Client, error) {
	pem, err := os.ReadFile(h.key)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", h.Name, err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", h.Name, err)
	}
	verify, err := knownhosts.New(h.knownHosts)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", h.Name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Second, errors.New("no connection within 10 seconds"))
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", h.SSHAddr())
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", h.Name, err)
	}
	unblock := context.AfterFunc(ctx, func() { conn.Close() })
	c, chans, reqs, err := ssh.NewClientConn(conn, h.SSHAddr(), &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: verify,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if !unblock() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("dial %s: %w", h.Name, err)
	}
	return ssh.NewClient(c, chans, reqs), nil
}

// SSHAddr is where the host's sshd listens, "IP:22".
func (h *Host) SSHAddr() string { return net.JoinHostPort(h.Addr, "22") }

// SSH runs a command line in the login shell of root, over a connection of its
// own, and returns what it printed on both outputs.
func (h *Host) SSH(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("no end within %s", commandTimeout))
	defer cancel()
	client, err := h.Dial(ctx, "root")
	if err != nil {
		return "", err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return "", fmt.Errorf("open session on %s: %w", h.Name, err)
	}
	defer session.Close()
	out, err := session.CombinedOutput(line)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // the closed connection is only how it shows
		}
		return string(out), fmt.Errorf("run %q on %s: %w: %s", line, h.Name, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// SSHCount is how many connections the host's sshd has let in, and how many
// sessions (commands, shells, subsystems; not forwarded channels) it has served
// since the host was made.
func (h *Host) SSHCount(ctx context.Context) (connections, sessions int, err error) {
	log, err := h.Exec(ctx, "cat", "/var/log/sshd.log")
	if err != nil {
		return 0, 0, fmt.Errorf("count ssh connections of %s: %w", h.Name, err)
	}
	return strings.Count(log, "Accepted publickey"), strings.Count(log, "Starting session"), nil
}
