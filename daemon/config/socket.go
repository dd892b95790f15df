package config

import (
	"io"
	"os"
	"path/filepath"
)

// SocketOf is the daemon's socket by a fairlead.yml that may be wrong in all
// else: a daemon that goes by an earlier one can be asked all the same. It is
// DefaultSocket where the file says nothing of it that can be read.
func SocketOf(file string) string {
	socket := DefaultSocket
	f, err := os.Open(file)
	if err != nil {
		return socket
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return socket
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return socket
	}
	r := &reader{file: file, dir: filepath.Dir(absolute)}
	if root := r.root(data); root.Node != nil {
		r.fields(root, map[string]take{"socket": r.filePath(&socket)})
	}
	return socket
}
