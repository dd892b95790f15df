// Package texts is a file system of texts by path: enough of one to
// keep a deploy.yml and load it again. Nothing else lives here.
package texts

import (
	"io"
	"io/fs"
	"strings"
	"time"
)

// Files are texts by path, as they are stored with a release.
type Files map[string]string

// Open opens a file; there are no folders.
func (t Files) Open(name string) (fs.File, error) {
	text, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return textFile{strings.NewReader(text), textInfo{name, int64(len(text))}}, nil
}

// Of reads those of the named files that are there; "" names none.
func Of(source fs.FS, names ...string) Files {
	kept := Files{}
	for _, name := range names {
		if text, err := fs.ReadFile(source, name); name != "" && err == nil {
			kept[name] = string(text)
		}
	}
	return kept
}

type textFile struct {
	io.Reader
	info textInfo
}

func (f textFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (textFile) Close() error                 { return nil }

type textInfo struct {
	name string
	size int64
}

func (i textInfo) Name() string     { return i.name[strings.LastIndexByte(i.name, '/')+1:] }
func (i textInfo) Size() int64      { return i.size }
func (textInfo) Mode() fs.FileMode  { return 0o444 }
func (textInfo) ModTime() time.Time { return time.Time{} }
func (textInfo) IsDir() bool        { return false }
func (textInfo) Sys() any           { return nil }
