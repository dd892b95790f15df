package program

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	Content []byte
}

// Proxy is the image for hosts: the program under both its names, and the CA
// roots.
func Proxy(arch string, program, roots []byte) Contents {
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
			File{Path: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: roots},
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

// Archive writes an image in the form of `docker save` (Docker image
// specification v1.2). The same contents give the same bytes.
func Archive(c Contents) ([]byte, error) {
	layer, err := archiveOf(c.Files)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": c.Arch, "os": "linux", "config": c.Config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return nil, err
	}
	name := digest(config) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{c.Ref}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	return archiveOf([]File{{Path: name, Mode: 0o644, Content: config}, {Path: "layer.tar", Mode: 0o644, Content: layer},
		{Path: "manifest.json", Mode: 0o644, Content: manifest}})
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func archiveOf(files []File) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	var errs []error
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(f.Mode.Perm()), Uid: f.Owner, Gid: f.Owner, Size: int64(len(f.Content))}
		switch {
		case f.Mode.IsDir():
			h.Typeflag, h.Name = tar.TypeDir, f.Path+"/"
		case f.Link != "":
			h.Typeflag, h.Linkname = tar.TypeLink, f.Link
		}
		if f.Mode&fs.ModeSticky != 0 {
			h.Mode |= 0o1000
		}
		err := w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(f.Content)
		}
		errs = append(errs, err)
	}
	errs = append(errs, w.Close())
	return b.Bytes(), errors.Join(errs...)
}
