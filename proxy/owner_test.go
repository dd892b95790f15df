package proxy

import (
	"os"
	"syscall"
)

func owner(info os.FileInfo) (uid, gid uint32) {
	s := info.Sys().(*syscall.Stat_t)
	return s.Uid, s.Gid
}
