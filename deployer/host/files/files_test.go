package files_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/host/files/filestest"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"go.uber.org/goleak"
	xssh "golang.org/x/crypto/ssh"
)

// x/crypto's openChannel may hang on a connection that is gone.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("golang.org/x/crypto/ssh.(*mux).openChannel"))
}

func TestAFolderOfThisMachineIsADoor(t *testing.T) {
	filestest.Run(t, func(t *testing.T) files.Door { return files.NewLocal(t.TempDir(), rand.Text).Door() })
}

func overSSH(t *testing.T) (*files.SFTP, *sshtest.Server) {
	t.Helper()
	s := sshtest.Start(t, sshtest.Options{})
	c := ssh.NewClient(ssh.Target{Name: "web-1", Host: s.Host, Port: s.Port, User: "root"},
		ssh.Identity{KnownHosts: []string{sshtest.KnownHosts(t, s)}, Signers: []xssh.Signer{s.Signer}}, (&net.Dialer{}).DialContext,
		ssh.NewLimiter(8, func() time.Duration { return 0 }), slog.New(slog.DiscardHandler))
	door := files.NewSFTP("web-1", func(ctx context.Context) (io.ReadWriteCloser, error) { return c.Subsystem(ctx, "sftp") }, rand.Text)
	t.Cleanup(func() { _ = door.Close(); _ = c.Close() })
	return door, s
}

func TestSFTPIsADoor(t *testing.T) {
	filestest.Run(t, func(t *testing.T) files.Door { door, _ := overSSH(t); return door.Door() })
}

func TestALostSessionIsOpenedAnew(t *testing.T) {
	door, s := overSSH(t)
	for range 3 {
		if err := door.Door().Write(t.Context(), "a", []byte("b"), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Drop()
	}
	if n := s.Sessions.Load(); n < 3 {
		t.Errorf("%d sessions", n)
	}
}

// process is OpenSSH's own sftp-server on standard input and output.
type process struct {
	io.Reader
	io.WriteCloser
	end func()
}

func (p process) Close() error {
	p.end()
	return nil
}

// OpenSSH's server answers otherwise than the library's: "failure" for a
// folder that exists, and its own extensions.
func TestOpenSSHsServerIsADoor(t *testing.T) {
	filestest.Run(t, func(t *testing.T) files.Door {
		home := t.TempDir()
		door := files.NewSFTP("web-1", func(context.Context) (io.ReadWriteCloser, error) {
			cmd := exec.Command("/usr/lib/openssh/sftp-server")
			cmd.Dir = home
			in, err := cmd.StdinPipe()
			if err != nil {
				return nil, err
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				return nil, err
			}
			if err := cmd.Start(); err != nil {
				return nil, fmt.Errorf("this test needs OpenSSH's sftp-server (Debian: openssh-sftp-server): %w", err)
			}
			return process{out, in, sync.OnceFunc(func() { _ = in.Close(); _ = cmd.Wait() })}, nil
		}, rand.Text)
		t.Cleanup(func() { _ = door.Close() })
		return door.Door()
	})
}

func TestAPanicInASessionEndsUpWithWhoeverWaits(t *testing.T) {
	door := files.NewSFTP("web-1", func(context.Context) (io.ReadWriteCloser, error) { panic("oops") }, rand.Text)
	defer func() {
		if fault, ok := recover().(*abreast.Fault); !ok || fault.String() != "oops" {
			t.Errorf("caught %v", fault)
		}
		if err := door.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err := door.Read(t.Context(), "a")
	t.Errorf("it answered %v", err)
}
