// Package tree shows all files of a commit as an fs.FS that reads them one by
// one, as they are opened.
//
// Lives here: paths to objects. May not live here: where objects come from.
package tree

import (
	"bytes"
	"cmp"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Entry is one line of a folder. Its mode's type is that of a folder, a file, a
// symbolic link or, for a submodule, fs.ModeIrregular.
type Entry struct {
	Name string
	Mode fs.FileMode
	ID   string
}

// Objects are a repository's, by id.
type Objects struct {
	List func(id string) ([]Entry, error) // of a folder
	Read func(id string) ([]byte, error)  // a file's content, or a link's target
	Size func(id string) (int64, error)   // of a file, without reading it
}

// files is a commit's tree. It may be used by one at a time.
type files struct {
	objects Objects
	time    time.Time
	folders map[string][]Entry // read so far, sorted by name, by path
	root    string
}

// New shows the tree of that id; every file is of that time. What it returns
// implements fs.ReadDirFS, fs.ReadFileFS, fs.StatFS and fs.ReadLinkFS.
func New(root string, t time.Time, o Objects) fs.FS {
	return &files{objects: o, time: t, folders: map[string][]Entry{}, root: root}
}

// list reads a folder.
func (f *files) list(at string) ([]Entry, error) {
	if list, ok := f.folders[at]; ok {
		return list, nil
	}
	e, err := f.find(at)
	if err != nil {
		return nil, err
	}
	if !e.Mode.IsDir() {
		return nil, fs.ErrInvalid
	}
	list, err := f.objects.List(e.ID)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	f.folders[at] = list
	return list, nil
}

// find finds a path; links on the way are not followed.
func (f *files) find(at string) (Entry, error) {
	if at == "." {
		return Entry{Name: ".", Mode: fs.ModeDir | 0o755, ID: f.root}, nil
	}
	list, err := f.list(path.Dir(at))
	if err != nil {
		return Entry{}, err
	}
	i, ok := slices.BinarySearchFunc(list, path.Base(at), func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return Entry{}, fs.ErrNotExist
	}
	return list[i], nil
}

func (f *files) lookup(op, name string) (Entry, error) {
	e, err := Entry{}, fs.ErrInvalid
	if fs.ValidPath(name) {
		e, err = f.find(name)
	}
	if err != nil {
		return e, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return e, nil
}

// Open opens a file or a folder.
func (f *files) Open(name string) (fs.File, error) {
	e, err := f.lookup("open", name)
	if err != nil {
		return nil, err
	}
	if e.Mode.IsDir() {
		list, err := f.ReadDir(name)
		return &folder{info: info{e, f}, left: list}, err
	}
	data, err := f.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &file{info: info{e, f}, Reader: bytes.NewReader(data)}, nil
}

// ReadFile reads a file.
func (f *files) ReadFile(name string) ([]byte, error) {
	e, err := f.lookup("read", name)
	if err == nil && !e.Mode.IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	return f.objects.Read(e.ID)
}

// ReadLink returns where a link points.
func (f *files) ReadLink(name string) (string, error) {
	e, err := f.lookup("readlink", name)
	if err == nil && e.Mode.Type() != fs.ModeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	to, err := f.objects.Read(e.ID)
	return string(to), err
}

// Stat describes a file; links are not followed.
func (f *files) Stat(name string) (fs.FileInfo, error) { return f.Lstat(name) }

// Lstat describes a file, or a link itself.
func (f *files) Lstat(name string) (fs.FileInfo, error) {
	e, err := f.lookup("stat", name)
	if err != nil {
		return nil, err
	}
	return info{e, f}, nil
}

// ReadDir lists a folder by name.
func (f *files) ReadDir(name string) ([]fs.DirEntry, error) {
	if _, err := f.lookup("readdir", name); err != nil {
		return nil, err
	}
	list, err := f.list(name)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, 0, len(list))
	for _, e := range list {
		out = append(out, info{e, f})
	}
	return out, nil
}

// info describes an entry.
type info struct {
	e Entry
	f *files
}

func (i info) Name() string               { return i.e.Name }
func (i info) Mode() fs.FileMode          { return i.e.Mode }
func (i info) Type() fs.FileMode          { return i.e.Mode.Type() }
func (i info) ModTime() time.Time         { return i.f.time }
func (i info) IsDir() bool                { return i.e.Mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, nil }

// Size is 0 where it cannot be known; reading the file tells why.
func (i info) Size() int64 {
	if !i.e.Mode.IsRegular() {
		return 0
	}
	n, err := i.f.objects.Size(i.e.ID)
	if err != nil {
		return 0
	}
	return n
}

type file struct {
	info
	*bytes.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }
func (f *file) Size() int64                { return f.Reader.Size() }

type folder struct {
	info
	left []fs.DirEntry
}

func (f *folder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *folder) Close() error               { return nil }
func (f *folder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.Name(), Err: fs.ErrInvalid}
}

func (f *folder) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.left) == 0 {
		return nil, io.EOF
	}
	if n <= 0 {
		n = len(f.left)
	}
	n = min(n, len(f.left))
	out := f.left[:n:n]
	f.left = f.left[n:]
	return out, nil
}
