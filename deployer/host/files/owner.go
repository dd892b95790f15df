package files

import (
	"io/fs"
	"strconv"
	"syscall"

	"github.com/pkg/sftp"
)

// Owner returns whose a file is, as "UID:GID" of its host; "" where the door
// does not tell.
func Owner(info fs.FileInfo) string {
	switch s := info.Sys().(type) {
	case *sftp.FileStat:
		return strconv.FormatUint(uint64(s.UID), 10) + ":" + strconv.FormatUint(uint64(s.GID), 10)
	case *syscall.Stat_t:
		return strconv.FormatUint(uint64(s.Uid), 10) + ":" + strconv.FormatUint(uint64(s.Gid), 10)
	}
	return ""
}
