package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/pkg/sftp"
	"github.com/spf13/cobra"
)

// sftpServer serves the files of a folder over its standard streams. Whoever
// reaches a host through its engine only runs it in a container that has
// nothing else mounted: the container is what keeps it inside.
func (c *commands) sftpServer() *cobra.Command {
	return &cobra.Command{
		Use: "sftp-server <folder>", Short: "Serve a folder by SFTP on standard input and output", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := becomeOwner(args[0]); err != nil {
				return fmt.Errorf("serve files: %w", err)
			}
			s, err := sftp.NewServer(streams{cmd.InOrStdin(), cmd.OutOrStdout()}, sftp.WithServerWorkingDirectory(args[0]))
			if err != nil {
				return fmt.Errorf("serve files: %w", err)
			}
			if err := s.Serve(); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("serve files: %w", err)
			}
			return nil
		},
	}
}

// becomeOwner gives root's rights up for those of the folder's owner, so that
// what is made there belongs to him, as it does over SSH.
func becomeOwner(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("%s is not a folder", folder)
	}
	if os.Getuid() != 0 || owner.Uid == 0 {
		return nil
	}
	return errors.Join(syscall.Setgroups(nil), syscall.Setgid(int(owner.Gid)), syscall.Setuid(int(owner.Uid)))
}

type streams struct {
	io.Reader
	io.Writer
}

// Close ends nothing: the streams are the process's.
func (streams) Close() error { return nil }
