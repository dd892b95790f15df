package rollout

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
)

// inCarrier is where a carrier has the folders of the host that are changed.
const inCarrier = "/.fairlead/"

// maxAccounts is how much of an image's /etc/passwd is read.
const maxAccounts = 1 << 20

// putMounted makes the folders and files that an accessory mounts. Those that
// have an owner, or a mode that a folder may lack, are put there by the engine,
// which may do so whoever the ssh user is: it unpacks an archive into a
// container of the accessory's image that never starts.
func putMounted(ctx context.Context, h Host, s plan.PutFiles) error {
	var carried []plan.File
	for _, f := range s.Files {
		own := !path.IsAbs(f.Path)
		switch {
		case f.Folder && own:
			if err := h.Files.MkdirAll(ctx, f.Path, 0o755); err != nil {
				return err
			}
		case !f.Folder:
			if err := h.Files.MkdirAll(ctx, path.Dir(f.Path), 0o755); err != nil {
				return err
			}
		}
		switch {
		case f.Owner != "", f.Folder && f.Mode != 0:
			carried = append(carried, f)
		case !f.Folder:
			if err := h.Files.Write(ctx, f.Path, []byte(f.Content.Reveal()), f.Mode); err != nil {
				return err
			}
		}
	}
	if len(carried) == 0 {
		return nil
	}
	return carryMounted(ctx, h, s.Unit, carried)
}

// carryMounted has the engine put files and folders in place.
func carryMounted(ctx context.Context, h Host, u plan.Unit, list []plan.File) (err error) {
	spec := container.Spec{Image: u.Spec.Image, Entrypoint: []string{"none"}, Network: "none"}
	names := make([]string, len(list))
	for i, f := range list {
		source := sourceOf(u, f)
		at := inCarrier + strconv.Itoa(i)
		if names[i] = at[1:]; !f.Folder { // a file is put into its folder, for it may not be there
			names[i] = path.Join(at[1:], path.Base(f.Path))
			source = path.Dir(source)
		}
		spec.Mounts = append(spec.Mounts, container.Mount{Kind: container.Bind, Source: source, Target: at})
	}
	name := u.Name + "-files"
	if err := h.Cleaner.Remove(ctx, name); err != nil { // a crash may have left it
		return err
	}
	id, err := h.Containers.Create(ctx, name, spec)
	defer func() { err = errors.Join(err, h.Cleaner.Remove(context.WithoutCancel(ctx), name)) }()
	if err != nil {
		return err
	}
	known := accounts{ctx: ctx, archives: h.Archives, id: id}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i, f := range list {
		head := tar.Header{Typeflag: tar.TypeReg, Name: names[i], Mode: int64(f.Mode), Size: int64(len(f.Content.Reveal()))}
		if f.Folder {
			head.Typeflag, head.Name, head.Size = tar.TypeDir, names[i]+"/", 0
			if head.Mode == 0 {
				head.Mode = 0o755
			}
		}
		if head.Uid, head.Gid, err = known.owner(f.Owner); err != nil {
			return err
		}
		if err := w.WriteHeader(&head); err != nil {
			return err
		}
		if _, err := io.WriteString(w, f.Content.Reveal()[:head.Size]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return h.Archives.CopyTo(ctx, id, "/", &out)
}

// sourceOf is where on the host a file or folder is, as the accessory mounts it.
func sourceOf(u plan.Unit, f plan.File) string {
	for _, m := range u.Spec.Mounts {
		if m.Source == f.Path || strings.HasSuffix(m.Source, "/"+f.Path) {
			return m.Source
		}
	}
	return f.Path
}

// accounts knows the names of users and groups as an image has them.
type accounts struct {
	ctx      context.Context
	archives Archives
	id       string
}

// owner reads USER[:GROUP]; none is root.
func (a accounts) owner(text string) (uid, gid int, err error) {
	if text == "" {
		return 0, 0, nil
	}
	user, group, grouped := strings.Cut(text, ":")
	if uid, gid, err = a.number("/etc/passwd", user); err != nil || !grouped {
		return uid, gid, err
	}
	gid, _, err = a.number("/etc/group", group)
	return uid, gid, err
}

// number is the number of a name and, of a user, that of its group, in a file of
// the image.
func (a accounts) number(file, name string) (id, group int, err error) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, 0, nil
	}
	if name == "root" {
		return 0, 0, nil
	}
	found := false
	err = a.archives.CopyFrom(a.ctx, a.id, file, func(in io.Reader) error {
		r := tar.NewReader(in)
		if _, err := r.Next(); err != nil {
			return err
		}
		lines := bufio.NewScanner(io.LimitReader(r, maxAccounts))
		for lines.Scan() {
			parts := strings.Split(lines.Text(), ":")
			if len(parts) < 3 || parts[0] != name {
				continue
			}
			if id, err = strconv.Atoi(parts[2]); err != nil {
				return err
			}
			if len(parts) > 3 {
				group, _ = strconv.Atoi(parts[3]) // of a group it is a list
			}
			found = true
		}
		return lines.Err()
	})
	if errors.Is(err, docker.ErrNotFound) || err == nil && !found {
		return 0, 0, fmt.Errorf("%w: the accessory's image knows no %s in %s; write the owner in numbers, as in 999:999", docker.ErrInvalid, name, file)
	}
	return id, group, err
}
