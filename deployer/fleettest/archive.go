package fleettest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
)

// AssetPath is where an image has its App.Assets.
const AssetPath = "/app/assets"

// CopyFrom gives what an image has at AssetPath, whatever is asked for besides.
func (e engine) CopyFrom(ctx context.Context, id, from string, read func(tar io.Reader) error) error {
	var stream bytes.Buffer
	err := e.p.read(ctx, e.h, "copy from "+e.label(id), func() error {
		b := e.h.find(id)
		if b == nil || path.Clean(from) != AssetPath {
			return fmt.Errorf("copy from %s: %w", id, docker.ErrNotFound)
		}
		out := tar.NewWriter(&stream)
		all := e.h.w.apps[b.digest].Assets
		err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "assets/", Mode: 0o755})
		for _, name := range slices.Sorted(maps.Keys(all)) {
			h := &tar.Header{Typeflag: tar.TypeReg, Name: "assets/" + name, Mode: 0o644, Size: int64(len(all[name]))}
			err = errors.Join(err, out.WriteHeader(h))
			_, werr := out.Write([]byte(all[name]))
			err = errors.Join(err, werr)
		}
		return errors.Join(err, out.Close())
	})
	if err != nil {
		return err
	}
	return read(&stream)
}

// Unpack is CopyTo: the fleet's files have no owners.
func (e engine) Unpack(ctx context.Context, id, dir string, stream io.Reader) error {
	return e.CopyTo(ctx, id, dir, stream)
}

// CopyTo unpacks into a folder of the host that is mounted there. What breaks
// off has unpacked half.
func (e engine) CopyTo(ctx context.Context, id, dir string, stream io.Reader) error {
	var entries []*tar.Header
	content := map[*tar.Header][]byte{}
	in := tar.NewReader(stream)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		entries = append(entries, h)
		if content[h], err = io.ReadAll(in); err != nil {
			return err
		}
	}
	unpack := func(entries []*tar.Header) func() error {
		return func() error {
			root, err := e.mounted(id, dir)
			for _, h := range entries {
				err = errors.Join(err, e.h.unpack(root, h, content[h]))
			}
			return err
		}
	}
	return e.p.changeOr(ctx, e.h, "copy to "+e.label(id), unpack(entries), unpack(entries[:len(entries)/2]))
}

// mounted is the folder, relative to the home, that a container has at dir. What
// is in no folder of the host is in the container's own, below containers.
func (e engine) mounted(id, dir string) (string, error) {
	if b := e.h.find(id); b != nil {
		if dir == "/" {
			return "containers/" + b.id, nil
		}
		for _, m := range b.spec.Mounts {
			if m.Kind == container.Bind && m.Target == dir {
				return strings.TrimPrefix(m.Source, "/root/"), nil
			}
		}
	}
	return "", fmt.Errorf("copy to %s:%s: %w", id, dir, docker.ErrNotFound)
}

func (h *Host) unpack(root string, entry *tar.Header, content []byte) error {
	name := path.Join(root, entry.Name)
	f := file{dir: entry.Typeflag == tar.TypeDir, content: content}
	if entry.Typeflag == tar.TypeLink {
		linked, ok := h.files[path.Join(root, entry.Linkname)]
		if !ok {
			return fmt.Errorf("link %s to %s, which is not there", entry.Name, entry.Linkname)
		}
		f = linked
	}
	if was, ok := h.files[name]; ok && was.dir != f.dir {
		return fmt.Errorf("%s is a folder in the one and a file in the other", name)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		h.files[dir] = file{dir: true}
	}
	h.files[name] = f
	return nil
}

// Files returns the contents of the files below a folder of the ssh user's
// home, by their path in it; nil where there is no such folder.
func (h *Host) Files(dir string) map[string]string {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	if !h.files[dir].dir {
		return nil
	}
	all := map[string]string{}
	for name, f := range h.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok && !f.dir {
			all[rest] = string(f.content)
		}
	}
	return all
}
