package mirror

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"
)

// files is the wanted part of a commit, in memory, as a read-only fs.FS. A
// symbolic link or submodule is listed with its mode, and opening it or
// anything below it is an error that says so.
type files struct {
	nodes map[string]*node // by slash-separated path; "." is the root
	time  time.Time
	noted map[string]string // object ids by path
}

func (f *files) note(at, id string) {
	if f.noted == nil {
		f.noted = map[string]string{}
	}
	f.noted[at] = id
}

type node struct {
	name  string
	mode  fs.FileMode
	data  []byte
	blob  string   // the object that data comes from
	names []string // of a folder's entries, sorted once complete
}

func newFiles(t time.Time) *files {
	return &files{nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o555}}, time: t}
}

// add puts a node at a path and makes its parents.
func (f *files) add(at string, n *node) {
	n.name = path.Base(at)
	f.nodes[at] = n
	for at != "." {
		name := path.Base(at)
		at = path.Dir(at)
		parent, ok := f.nodes[at]
		if !ok {
			parent = &node{name: path.Base(at), mode: fs.ModeDir | 0o555}
			f.nodes[at] = parent
		}
		place, found := slices.BinarySearch(parent.names, name)
		if found {
			return
		}
		parent.names = slices.Insert(parent.names, place, name)
	}
}

func (f *files) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if n, ok := f.nodes[name]; ok {
		return n, nil
	}
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if n, ok := f.nodes[at]; ok && !n.mode.IsDir() && !n.mode.IsRegular() {
			return nil, &fs.PathError{Op: op, Path: name, Err: notRegular(at, n.mode)}
		}
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func notRegular(at string, mode fs.FileMode) error {
	what := "a symbolic link"
	if mode&fs.ModeIrregular != 0 {
		what = "a submodule"
	}
	return trouble(ErrNotRegular, "%s is %s in the commit; Fairlead reads only regular files: commit the file itself", at, what)
}

// Open implements fs.FS.
func (f *files) Open(name string) (fs.File, error) {
	n, err := f.find("open", name)
	switch {
	case err != nil:
		return nil, err
	case n.mode.IsDir():
		return &openDir{info: info{n, f.time}, files: f, at: name}, nil
	case !n.mode.IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: notRegular(name, n.mode)}
	}
	return &openFile{info: info{n, f.time}, Reader: bytes.NewReader(n.data)}, nil
}

// ReadFile implements fs.ReadFileFS; the caller owns the bytes.
func (f *files) ReadFile(name string) ([]byte, error) {
	n, err := f.find("read", name)
	switch {
	case err != nil:
		return nil, err
	case n.mode.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrInvalid}
	case !n.mode.IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: notRegular(name, n.mode)}
	}
	return bytes.Clone(n.data), nil
}

// Stat implements fs.StatFS. Links are not followed.
func (f *files) Stat(name string) (fs.FileInfo, error) {
	n, err := f.find("stat", name)
	if err != nil {
		return nil, err
	}
	return info{n, f.time}, nil
}

// ReadDir implements fs.ReadDirFS.
func (f *files) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := f.find("readdir", name)
	switch {
	case err != nil:
		return nil, err
	case !n.mode.IsDir():
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries := make([]fs.DirEntry, 0, len(n.names))
	for _, child := range n.names {
		entries = append(entries, info{f.nodes[path.Join(name, child)], f.time})
	}
	return entries, nil
}

// info is a node's fs.FileInfo and fs.DirEntry.
type info struct {
	node *node
	time time.Time
}

func (i info) Name() string               { return i.node.name }
func (i info) Size() int64                { return int64(len(i.node.data)) }
func (i info) Mode() fs.FileMode          { return i.node.mode }
func (i info) Type() fs.FileMode          { return i.node.mode.Type() }
func (i info) ModTime() time.Time         { return i.time }
func (i info) IsDir() bool                { return i.node.mode.IsDir() }
func (i info) Sys() any                   { return nil }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) String() string             { return fs.FormatDirEntry(i) }

type openFile struct {
	info
	*bytes.Reader
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }
func (o *openFile) Size() int64                { return o.info.Size() }

type openDir struct {
	info
	files *files
	at    string
	read  int
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }
func (o *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: o.at, Err: fs.ErrInvalid}
}

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	all, err := o.files.ReadDir(o.at)
	if err != nil {
		return nil, err
	}
	left := all[o.read:]
	if n > 0 && len(left) == 0 {
		return nil, io.EOF
	}
	if n > 0 {
		left = left[:min(n, len(left))]
	}
	o.read += len(left)
	return left, nil
}
