package files

import (
	"io/fs"
	"syscall"

	"github.com/pkg/sftp"
)

// Owner returns whose a file is, by the numbers of its host; 0 and 0, which is
// root, where the door does not tell.
func Owner(info fs.FileInfo) (uid, gid int) {
	switch s := info.Sys().(type) {
	case *sftp.FileStat:
		return int(s.UID), int(s.GID)
	case *syscall.Stat_t:
		return int(s.Uid), int(s.Gid)
	}
	return 0, 0
}
