package assets

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Bounds of the assets of one version.
const (
	MaxFiles = 50_000
	MaxBytes = 4 << 30
)

// ErrTooMuch: an image has more at its asset_path than is bridged.
var ErrTooMuch = errors.New("more than 50,000 files or 4 GiB; is asset_path the folder of the compiled assets alone?")

// Tree is what is in a folder: by path relative to it, whether that is a
// folder itself.
type Tree map[string]bool

// add takes an entry in, unless there are too many.
func (t Tree) add(name string, folder bool) error {
	if t[name] = folder; len(t) > MaxFiles {
		return ErrTooMuch
	}
	return nil
}

// takes tells whether a file or folder can be put into the tree without taking
// the place of anything.
func (t Tree) takes(name string) bool {
	if _, there := t[name]; there {
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if folder, there := t[dir]; there && !folder {
			return false
		}
	}
	return true
}

// Bridge puts the assets of two versions of a role together. Old is "" where
// nothing ran before, or something of the same version.
type Bridge struct {
	Place    Place
	New, Old string // versions
	UID, GID int    // whose the folders are
	// What is in their folders already; OldVolume is nil where the old version
	// has none.
	OldExtracted, OldVolume Tree
	NewExtracted, NewVolume Tree
}

// Write writes a tar stream, relative to Place.Root, after which both volumes
// hold what belongs there. image is the tar stream of the new image's assets,
// as the engine gives it: all below one folder, whatever its name. nil leaves
// what was extracted before. Done twice, it changes nothing the second time.
func (b Bridge) Write(to io.Writer, image io.Reader) error {
	out := tar.NewWriter(to)
	fresh := b.NewExtracted
	if image != nil {
		var err error
		if fresh, err = b.extract(out, tar.NewReader(image)); err != nil {
			return fmt.Errorf("extract assets: %w", err)
		}
	}
	// The new volume: its own files first, whatever half of a try before left.
	into := volume{out, b, b.Place.Volume(b.New), maps.Clone(b.NewVolume)}
	if image != nil || into.have == nil {
		into.have = Tree{}
	}
	if err := into.link(fresh, b.Place.Extracted(b.New)); err != nil {
		return err
	}
	if b.Old != "" {
		if err := into.link(b.OldExtracted, b.Place.Extracted(b.Old)); err != nil {
			return err
		}
	}
	if b.Old != "" && b.OldVolume != nil {
		old := volume{out, b, b.Place.Volume(b.Old), maps.Clone(b.OldVolume)}
		if err := old.link(fresh, b.Place.Extracted(b.New)); err != nil {
			return err
		}
	}
	return out.Close()
}

// extract copies the image's files to the folder of what was extracted.
func (b Bridge) extract(out *tar.Writer, in *tar.Reader) (Tree, error) {
	tree, bytes := Tree{}, int64(0)
	folder := rel(b.Place.Root, b.Place.Extracted(b.New))
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return tree, nil
		}
		if err != nil {
			return nil, err
		}
		name, ok := below(h.Name)
		if !ok {
			continue // the folder itself
		}
		if !fs.ValidPath(name) {
			return nil, fmt.Errorf("%q is no path inside the folder", h.Name)
		}
		to := tar.Header{Typeflag: h.Typeflag, Name: path.Join(folder, name), Mode: h.Mode & 0o777, ModTime: h.ModTime, Uid: b.UID, Gid: b.GID}
		switch h.Typeflag {
		case tar.TypeDir:
			to.Mode |= 0o700
		case tar.TypeReg:
			to.Size = h.Size
			bytes += h.Size
		case tar.TypeSymlink:
			to.Linkname = h.Linkname
		case tar.TypeLink:
			target, ok := below(h.Linkname)
			if !ok || !fs.ValidPath(target) {
				return nil, fmt.Errorf("%q is a link to %q, which is elsewhere", h.Name, h.Linkname)
			}
			to.Linkname = path.Join(folder, target)
		default:
			continue // no browser asks for a device
		}
		if err := tree.add(name, h.Typeflag == tar.TypeDir); err != nil {
			return nil, err
		}
		if bytes > MaxBytes {
			return nil, ErrTooMuch
		}
		if err := out.WriteHeader(&to); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(out, in, to.Size); err != nil {
			return nil, err
		}
	}
}

// volume is one that files are linked into.
type volume struct {
	out  *tar.Writer
	of   Bridge
	path string
	have Tree // what it holds; it grows
}

// link puts the files of a folder into the volume, but for what has its place
// there already.
func (v volume) link(files Tree, folder string) error {
	root := v.of.Place.Root
	folder = rel(root, folder)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !v.have.takes(name) {
			continue
		}
		h := tar.Header{Typeflag: tar.TypeLink, Name: path.Join(rel(root, v.path), name), Linkname: path.Join(folder, name), Mode: 0o644}
		if files[name] {
			h = tar.Header{Typeflag: tar.TypeDir, Name: h.Name, Mode: 0o755}
		}
		h.Uid, h.Gid = v.of.UID, v.of.GID
		if err := v.out.WriteHeader(&h); err != nil {
			return fmt.Errorf("link assets: %w", err)
		}
		v.have[name] = files[name]
	}
	return nil
}

// below returns a name of an engine's archive without its first folder, which
// is "." where a folder's content was asked for; false for that folder itself.
func below(name string) (string, bool) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if first == ".." {
		return "", false
	}
	rest = strings.TrimPrefix(path.Clean("/"+rest), "/")
	return rest, rest != ""
}

func rel(root, name string) string { return strings.TrimPrefix(name, root+"/") }
