package packaging

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// A File is an entry of an archive, owned by root.
type File struct {
	Path    string // slash-separated, relative
	Mode    fs.FileMode
	Content []byte
}

// TarGz writes files, and the folders they are in, as a compressed archive.
// prefix goes before each path, such as "./".
func TarGz(files []File, prefix string, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(zip)
	for _, f := range withFolders(files) {
		h := &tar.Header{Name: prefix + f.Path, Mode: int64(f.Mode.Perm()), Size: int64(len(f.Content)), ModTime: at.Truncate(time.Second),
			Uname: "root", Gname: "root", Format: tar.FormatGNU, Typeflag: tar.TypeReg}
		if f.Mode.IsDir() {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Path, err)
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.Path, err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// withFolders sorts files and puts the folders they are in before them.
func withFolders(files []File) []File {
	all := slices.Clone(files)
	seen := map[string]bool{".": true}
	for _, f := range files {
		if f.Mode.IsDir() {
			seen[f.Path] = true
		}
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, File{Path: dir, Mode: fs.ModeDir | 0o755})
		}
	}
	slices.SortFunc(all, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return all
}
