package fleet

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// makeImage imports the image that all machines run: empty folders and a small
// /etc. No key, password or other secret of this machine is copied.
func (f *Fleet) makeImage(ctx context.Context) error {
	root, err := rootfs()
	if err != nil {
		return fmt.Errorf("make host image: %w", err)
	}
	labels := "LABEL " + labelRun + "=" + f.Run
	_, err = command(ctx, root, "docker", "import", "-c", labels,
		"-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"-c", `ENTRYPOINT ["/fleet/bin/hostinit","boot"]`, "-", f.image())
	if err != nil {
		return fmt.Errorf("make host image: %w", err)
	}
	return nil
}

func (f *Fleet) image() string { return f.name() + ":host" }

const (
	passwd = `root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
deploy:x:1000:1000::/home/deploy:/bin/bash
git:x:1001:1001::/home/git:/bin/bash
`
	group = `root:x:0:
tty:x:5:
nogroup:x:65534:
docker:x:999:deploy
deploy:x:1000:
git:x:1001:
`
	shadow = `root:*:19000::::::
sshd:*:19000::::::
nobody:*:19000::::::
deploy:*:19000::::::
git:*:19000::::::
`
	// MaxStartups and MaxSessions stay at OpenSSH's defaults on purpose: a
	// server has them too. VERBOSE logs each login and each command's start.
	sshdConfig = `HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
LogLevel VERBOSE
`
	nsswitch  = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
	gitconfig = "[safe]\n\tdirectory = *\n[init]\n\tdefaultBranch = main\n"
)

func rootfs() (*bytes.Buffer, error) {
	var out bytes.Buffer
	a := archive{w: tar.NewWriter(&out)}
	for dir := range strings.FieldsSeq(`proc sys dev tmp run usr boot opt mnt srv srv/git etc etc/ssh etc/docker
		fleet fleet/bin fleet/etc fleet/usr fleet/unpacked home home/deploy home/git root
		var var/lib var/lib/docker var/lib/docker-registry var/log var/tmp`) {
		a.dir(dir)
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		a.link(d, "usr/"+d)
	}
	a.link("var/run", "../run")
	a.file("etc/passwd", 0o644, passwd)
	a.file("etc/group", 0o644, group)
	a.file("etc/shadow", 0o640, shadow)
	a.file("etc/nsswitch.conf", 0o644, nsswitch)
	a.file("etc/gitconfig", 0o644, gitconfig)
	a.file("etc/ssh/sshd_config", 0o644, sshdConfig)
	for _, name := range []string{"ld.so.conf", "ld.so.conf.d", "ld.so.cache", "alternatives", "protocols", "services",
		"debian_version", "os-release", "iproute2"} {
		a.copy("/etc/" + name)
	}
	if a.err == nil {
		a.err = a.w.Close()
	}
	return &out, a.err
}

// archive writes a tar and remembers the first error.
type archive struct {
	w   *tar.Writer
	err error
}

func (a *archive) entry(h tar.Header, content []byte) {
	if a.err != nil {
		return
	}
	h.Size = int64(len(content))
	if a.err = a.w.WriteHeader(&h); a.err == nil {
		_, a.err = a.w.Write(content)
	}
}

func (a *archive) dir(name string) {
	mode := int64(0o755)
	switch name {
	case "tmp", "var/tmp":
		mode = 0o1777
	case "root":
		mode = 0o700
	}
	a.entry(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}, nil)
}

func (a *archive) link(name, target string) {
	a.entry(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

func (a *archive) file(name string, mode int64, content string) {
	a.entry(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, []byte(content))
}

// copy takes a file or folder of this machine; one that is not here is left out.
func (a *archive) copy(path string) {
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(p, "/")
		switch {
		case d.IsDir():
			a.dir(name)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			a.link(name, target)
		case d.Type().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			a.file(name, 0o644, string(content))
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) && a.err == nil {
		a.err = err
	}
}
