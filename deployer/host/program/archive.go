package program

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
)

// Contents is what an image is made of.
type Contents struct {
	Ref    string // "fairlead/proxy:v0.9.2.1"
	Arch   string // as Go names it
	Config Config
	Files  []File
}

// Config is the part of an image's configuration that Fairlead's images have
// (Docker image specification v1.2, "config").
type Config struct {
	User        string              `json:"User,omitempty"`
	Env         []string            `json:"Env,omitempty"`
	Entrypoint  []string            `json:"Entrypoint,omitempty"`
	Cmd         []string            `json:"Cmd,omitempty"`
	WorkingDir  string              `json:"WorkingDir,omitempty"`
	Labels      map[string]string   `json:"Labels,omitempty"`
	Volumes     map[string]struct{} `json:"Volumes,omitempty"`
	Healthcheck *Healthcheck        `json:"Healthcheck,omitempty"`
}

// Healthcheck is how the engine asks a container whether it works. Times are
// in nanoseconds, as the specification has them.
type Healthcheck struct {
	Test        []string `json:"Test"`
	Interval    int64    `json:"Interval,omitempty"`
	Timeout     int64    `json:"Timeout,omitempty"`
	StartPeriod int64    `json:"StartPeriod,omitempty"`
	Retries     int      `json:"Retries,omitempty"`
}

// File is one entry of the image's only layer: a folder where Mode says so, a
// hard link where Link names an earlier file, else a file. Folders come before
// what is in them.
type File struct {
	Path    string // without a leading slash
	Mode    fs.FileMode
	Owner   int // uid and gid
	Link    string
	Content Content
}

// Proxy is the image for hosts: the program under both its names, and the CA
// roots.
func Proxy(arch string, program Content, roots []byte) Contents {
	files := folders(0o755, "etc", "etc/ssl", "etc/ssl/certs", "home", "home/kamal-proxy", "home/kamal-proxy/.config",
		"home/kamal-proxy/.config/kamal-proxy", "home/kamal-proxy/.apps-config", "usr", "usr/local", "usr/local/bin")
	return Contents{
		Ref: Image, Arch: arch,
		Config: Config{
			Env:    []string{"PATH=/usr/local/bin", "HOME=/home/kamal-proxy"},
			Cmd:    []string{"kamal-proxy", "run"},
			Labels: map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
		},
		Files: append(files,
			File{Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
			File{Path: "usr/local/bin/fairlead", Mode: 0o755, Content: program},
			File{Path: "usr/local/bin/kamal-proxy", Mode: 0o755, Link: "usr/local/bin/fairlead"},
			File{Path: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: Bytes(roots)},
		),
	}
}

func folders(mode fs.FileMode, paths ...string) []File {
	var all []File
	for _, p := range paths {
		all = append(all, File{Path: p, Mode: fs.ModeDir | mode})
	}
	return all
}

// Archive is an image in the form of `docker save` (Docker image specification
// v1.2). The same contents give the same bytes. They are read once to name the
// layer, and whenever the archive is.
func Archive(c Contents) (Content, error) {
	sum := sha256.New()
	size, err := writeTar(sum, c.Files)
	if err != nil {
		return Content{}, err
	}
	layer := stream(size, func(w io.Writer) error { _, err := writeTar(w, c.Files); return err })
	config, err := json.Marshal(map[string]any{
		"architecture": c.Arch, "os": "linux", "config": c.Config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum.Sum(nil))}},
	})
	if err != nil {
		return Content{}, err
	}
	name := digest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{c.Ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return Content{}, err
	}
	all := []File{{Path: name, Mode: 0o644, Content: Bytes(config)}, {Path: "layer.tar", Mode: 0o644, Content: layer},
		{Path: "manifest.json", Mode: 0o644, Content: Bytes(manifest)}}
	return stream(-1, func(w io.Writer) error { _, err := writeTar(w, all); return err }), nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// writeTar writes files as a tar archive, and returns its length.
func writeTar(to io.Writer, files []File) (size int64, err error) {
	counted := &counter{to: to}
	w := tar.NewWriter(counted)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(f.Mode.Perm()), Uid: f.Owner, Gid: f.Owner, Size: f.Content.size}
		switch {
		case f.Mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, f.Path+"/"
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.Link
		}
		if f.Mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		if err := w.WriteHeader(h); err != nil {
			return 0, err
		}
		if err := f.Content.copyTo(w); err != nil {
			return 0, fmt.Errorf("pack %s: %w", f.Path, err)
		}
	}
	err = w.Close()
	return counted.size, err
}

type counter struct {
	to   io.Writer
	size int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.size += int64(n)
	return n, err
}
