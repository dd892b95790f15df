package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listenTCP listens on port of every address. A proxy that drains its last requests has freed its ports
// already, so that its successor need not wait.
func listenTCP(ctx context.Context, port int) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", port, err)
	}
	return l, nil
}

// listenUnix listens on a socket that only its owner can open. A socket that nobody answers on is left
// over and replaced; one that is answered on belongs to a running proxy, and that is an error.
func listenUnix(ctx context.Context, path string) (*net.UnixListener, error) {
	dialer := net.Dialer{Timeout: time.Second}
	if conn, err := dialer.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("listen on %s: another proxy answers there; end it first", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return l, nil
}

// listenForOwner listens on dir/.fairlead/proxy.sock for the owner of dir and nobody else; nil when dir
// is not there. dir is a folder of the server's ssh user, mounted into the container.
func listenForOwner(ctx context.Context, dir string) (*net.UnixListener, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the owner of %s: %w", dir, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return nil, fmt.Errorf("listen for the owner of %s: not a folder", dir)
	}
	inner := filepath.Join(dir, ".fairlead")
	if err := ownFolder(inner, owner); err != nil {
		return nil, fmt.Errorf("listen for the owner of %s: %w", dir, err)
	}
	path := filepath.Join(inner, "proxy.sock")
	l, err := listenUnix(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return l, nil
}

// ownFolder makes path a real folder (never a link to one) that only owner can enter.
func ownFolder(path string, owner *syscall.Stat_t) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fd, err := unix.Open(path, unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return errors.Join(unix.Fchmod(fd, 0o700), unix.Fchown(fd, int(owner.Uid), int(owner.Gid)), unix.Close(fd))
}
