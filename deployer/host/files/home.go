package files

import (
	"context"
	"path/filepath"

	"github.com/pkg/sftp"
)

// Home returns the absolute path of the SSH user's home folder on the host.
func (s *SFTP) Home(ctx context.Context) (string, error) {
	return sftpDo(ctx, s, "find", "home folder", func(c *sftp.Client) (string, error) { return c.RealPath(".") })
}

// Home returns the absolute path of the folder.
func (l *Local) Home(context.Context) (string, error) { return filepath.Abs(l.dir) }
