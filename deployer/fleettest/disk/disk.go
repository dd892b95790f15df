// Package disk is the files of one fake host, in memory, by their path below
// the ssh user's home.
//
// Lives here: what a call does to them, at once and whole. May not live here:
// what becomes of the call on its way (fleettest). Not safe for concurrent use.
package disk

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// File is a file, or a folder.
type File struct {
	Dir     bool
	Content []byte
}

// Disk has files by path. Make one with New.
type Disk map[string]File

// New makes one that has the home alone.
func New() Disk { return Disk{".": {Dir: true}} }

// Mkdir fails with fs.ErrExist, and with fs.ErrNotExist without an upper folder.
func (d Disk) Mkdir(dir string) error {
	if _, ok := d[dir]; ok {
		return fs.ErrExist
	}
	if !d[path.Dir(dir)].Dir {
		return fs.ErrNotExist
	}
	d[dir] = File{Dir: true}
	return nil
}

// MkdirAll makes the upper folders, too.
func (d Disk) MkdirAll(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		d[dir] = File{Dir: true}
	}
}

// Rename fails with fs.ErrExist where to is there.
func (d Disk) Rename(from, to string) error {
	if _, ok := d[to]; ok {
		return fs.ErrExist
	}
	if _, ok := d[from]; !ok {
		return fs.ErrNotExist
	}
	for name, content := range d {
		if rest, ok := strings.CutPrefix(name, from); ok && (rest == "" || rest[0] == '/') {
			delete(d, name)
			d[to+rest] = content
		}
	}
	return nil
}

// RemoveAll removes a file, or a folder with all that is in it.
func (d Disk) RemoveAll(name string) {
	maps.DeleteFunc(d, func(other string, _ File) bool { return other == name || strings.HasPrefix(other, name+"/") })
}

// Inside returns the paths of all that is in a folder, sorted.
func (d Disk) Inside(dir string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(d)), func(name string) bool { return !strings.HasPrefix(name, dir+"/") })
}

// List lists a folder by name.
func (d Disk) List(dir string) (list []fs.FileInfo, err error) {
	if !d[dir].Dir {
		return nil, fs.ErrNotExist
	}
	for _, name := range slices.Sorted(maps.Keys(d)) {
		if path.Dir(name) == dir && name != "." {
			list = append(list, entry{path.Base(name), d[name]})
		}
	}
	return list, nil
}

// Put puts a file into a folder that is there.
func (d Disk) Put(name string, content []byte) error {
	if !d[path.Dir(name)].Dir {
		return fs.ErrNotExist
	}
	d[name] = File{Content: append([]byte(nil), content...)}
	return nil
}

// Texts returns the contents of the files below a folder, by their path in it;
// nil where there is no such folder.
func (d Disk) Texts(dir string) map[string]string {
	if !d[dir].Dir {
		return nil
	}
	all := map[string]string{}
	for _, name := range d.Inside(dir) {
		if f := d[name]; !f.Dir {
			all[strings.TrimPrefix(name, dir+"/")] = string(f.Content)
		}
	}
	return all
}

// Packed is one entry of an archive.
type Packed struct {
	*tar.Header
	Content []byte
}

// Unpack puts one entry of an archive below a folder, with the folders that this
// needs.
func (d Disk) Unpack(root string, p Packed) error {
	name := path.Join(root, p.Name)
	f := File{Dir: p.Typeflag == tar.TypeDir, Content: p.Content}
	if p.Typeflag == tar.TypeLink {
		linked, ok := d[path.Join(root, p.Linkname)]
		if !ok {
			return fmt.Errorf("link %s to %s, which is not there", p.Name, p.Linkname)
		}
		f = linked
	}
	if was, ok := d[name]; ok && was.Dir != f.Dir {
		return fmt.Errorf("%s is a folder in the one and a file in the other", name)
	}
	d.MkdirAll(path.Dir(name))
	d[name] = f
	return nil
}

// Entries reads an archive.
func Entries(stream io.Reader) (list []Packed, err error) {
	for in := tar.NewReader(stream); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		list = append(list, Packed{h, content})
	}
}

// Pack writes texts by name into an archive, in a folder.
func Pack(folder string, texts map[string]string) (io.Reader, error) {
	var stream bytes.Buffer
	out := tar.NewWriter(&stream)
	err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755})
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: folder + "/" + name, Mode: 0o644, Size: int64(len(texts[name]))}
		err = errors.Join(err, out.WriteHeader(h))
		_, werr := out.Write([]byte(texts[name]))
		err = errors.Join(err, werr)
	}
	return &stream, errors.Join(err, out.Close())
}

// entry is a file in a listing.
type entry struct {
	name string
	file File
}

func (e entry) Name() string       { return e.name }
func (e entry) Size() int64        { return int64(len(e.file.Content)) }
func (e entry) ModTime() time.Time { return time.Time{} }
func (e entry) IsDir() bool        { return e.file.Dir }
func (e entry) Sys() any           { return nil }
func (e entry) Mode() fs.FileMode {
	if e.file.Dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
