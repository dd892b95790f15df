// Command image writes the container image of the Fairlead daemon, as
// `docker load` reads it, around a built program and without pulling anything:
//
//	go run ./internal/image -program bin/fairlead -out dist/fairlead-image.tar
//
// Lives here: what that image holds. May not live here: the image of the proxy
// on the servers, which is deployer/host/program's. The Dockerfile makes the
// same image for whom has a builder and a registry; a test holds them together.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/program"
)

func main() {
	file := flag.String("program", "bin/fairlead", "the static program")
	out := flag.String("out", "dist/fairlead-image.tar", "where to write the image")
	ref := flag.String("ref", "fairlead:latest", "the image's name")
	arch := flag.String("arch", runtime.GOARCH, "the architecture of the program, as Go names it")
	flag.Parse()
	if err := write(*out, *file, *ref, *arch); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// write makes the image from the program in file, and this machine's CA roots
// and time zones.
func write(out, file, ref, arch string) error {
	binary, err := program.OnDisk(file)
	if err != nil {
		return fmt.Errorf("read program: %w; `make build` makes it", err)
	}
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		return fmt.Errorf("read CA roots: %w; the package ca-certificates has them", err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go's own folder: %w", err)
	}
	zones, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "lib/time/zoneinfo.zip"))
	if err != nil {
		return fmt.Errorf("read time zones: %w; Go's own folder has them", err)
	}
	archive, err := program.Archive(contents(ref, arch, parts{binary, roots, zones}))
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	r, err := archive.Open()
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// parts are the files that an image is made of.
type parts struct {
	program      program.Content
	roots, zones []byte
}

// user is who the daemon runs as in its container: nobody in particular. What
// opens the engine's socket is its group, see examples/sidecar.
const user = 65532

// contents is the image: the program, what it needs to speak TLS and to tell
// the time anywhere, and folders of its own.
func contents(ref, arch string, p parts) program.Contents {
	folder := func(path string, mode fs.FileMode, owner int) program.File {
		return program.File{Path: path, Mode: fs.ModeDir | mode, Owner: owner}
	}
	return program.Contents{
		Ref: ref, Arch: arch,
		Config: program.Config{
			User:       fmt.Sprint(user, ":", user),
			Env:        []string{"PATH=/usr/local/bin", "HOME=/var/lib/fairlead", "ZONEINFO=/usr/share/zoneinfo.zip"},
			Entrypoint: []string{"fairlead"},
			Cmd:        []string{"watch"},
			WorkingDir: "/var/lib/fairlead",
			Labels:     map[string]string{"org.opencontainers.image.title": "fairlead", "org.opencontainers.image.licenses": "MIT"},
			Volumes:    map[string]struct{}{"/var/lib/fairlead": {}},
			Healthcheck: &program.Healthcheck{Test: []string{"CMD", "fairlead", "health"},
				Interval: int64(30 * time.Second), Timeout: int64(10 * time.Second), StartPeriod: int64(15 * time.Second), Retries: 3},
		},
		Files: []program.File{
			folder("etc", 0o755, 0), folder("etc/fairlead", 0o755, 0), folder("etc/ssl", 0o755, 0), folder("etc/ssl/certs", 0o755, 0),
			folder("run", 0o755, 0), folder("run/fairlead", 0o755, user), {Path: "tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
			folder("usr", 0o755, 0), folder("usr/local", 0o755, 0), folder("usr/local/bin", 0o755, 0), folder("usr/share", 0o755, 0),
			folder("var", 0o755, 0), folder("var/lib", 0o755, 0), folder("var/lib/fairlead", 0o700, user),
			{Path: "etc/passwd", Mode: 0o644, Content: program.Bytes(fmt.Appendf(nil, "root:x:0:0::/:/nologin\nfairlead:x:%d:%d::/var/lib/fairlead:/nologin\n", user, user))},
			{Path: "etc/group", Mode: 0o644, Content: program.Bytes(fmt.Appendf(nil, "root:x:0:\nfairlead:x:%d:\n", user))},
			{Path: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: program.Bytes(p.roots)},
			{Path: "usr/share/zoneinfo.zip", Mode: 0o644, Content: program.Bytes(p.zones)},
			{Path: "usr/local/bin/fairlead", Mode: 0o755, Content: p.program},
			{Path: "usr/local/bin/kamal-proxy", Mode: 0o755, Link: "usr/local/bin/fairlead"},
		},
	}
}
