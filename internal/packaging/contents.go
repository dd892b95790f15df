package packaging

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/setup"
	"github.com/fairlead-deploy/fairlead/internal/systemd"
)

// Parts are what the packages of a release are made of.
type Parts struct {
	Version     string // "v1.2.3"
	License     []byte
	Readme      []byte
	Completions map[string][]byte // by shell: bash, zsh, fish
	Manual      map[string][]byte // pages by name, "fairlead-deploy.1"
}

// A Program is one built program.
type Program struct {
	OS, Arch string // as Go names them
	Content  []byte
}

// Archive is what a .tar.gz holds.
func (p Parts) Archive(prog Program) []File {
	root := p.name(prog)
	files := []File{
		{root + "/fairlead", 0o755, prog.Content},
		{root + "/LICENSE", 0o644, p.License},
		{root + "/README.md", 0o644, p.Readme},
		{root + "/fairlead.example.yml", 0o644, []byte(config.Example())},
	}
	for shell, text := range p.Completions {
		files = append(files, File{root + "/completions/fairlead." + shell, 0o644, text})
	}
	for name, page := range p.Manual {
		files = append(files, File{root + "/man/" + name, 0o644, page})
	}
	if prog.OS == "linux" {
		files = append(files, File{root + "/" + systemd.UnitName, 0o644, []byte(unit(setup.DefaultProgram))})
	}
	return files
}

// name is the archive's name without its ending.
func (p Parts) name(prog Program) string {
	return fmt.Sprintf("fairlead_%s_%s_%s", p.Version, prog.OS, prog.Arch)
}

// debProgram is where Debian has the program.
const debProgram = "/usr/bin/fairlead"

func unit(program string) string {
	return systemd.Unit{Program: program, User: setup.DefaultUser, Config: setup.DefaultDir + "/fairlead.yml", DataDir: config.DefaultDataDir}.String()
}

// Deb is the Debian package around a Linux program.
func (p Parts) Deb(prog Program) (Deb, error) {
	version, err := DebVersion(p.Version)
	if err != nil {
		return Deb{}, err
	}
	conf := setup.DefaultDir + "/fairlead.yml"
	files := []File{
		{"usr/bin/fairlead", 0o755, prog.Content},
		{strings.TrimPrefix(setup.DefaultDir, "/"), fs.ModeDir | 0o700, nil},
		{strings.TrimPrefix(conf, "/"), 0o600, []byte(setup.Starter(config.DefaultDataDir))},
		{"lib/systemd/system/" + systemd.UnitName, 0o644, []byte(unit(debProgram))},
		{"usr/share/doc/fairlead/README.md", 0o644, p.Readme},
		{"usr/share/doc/fairlead/copyright", 0o644, p.License},
	}
	for shell, at := range map[string]string{
		"bash": "usr/share/bash-completion/completions/fairlead", "zsh": "usr/share/zsh/vendor-completions/_fairlead",
		"fish": "usr/share/fish/vendor_completions.d/fairlead.fish",
	} {
		if text, ok := p.Completions[shell]; ok {
			files = append(files, File{at, 0o644, text})
		}
	}
	for name, page := range p.Manual {
		files = append(files, File{"usr/share/man/man1/" + name, 0o644, page})
	}
	return Deb{
		Name: "fairlead", Version: version, Arch: prog.Arch, Section: "admin", Priority: "optional",
		Maintainer: "The Fairlead maintainers <fairlead-deploy@users.noreply.github.com>", Homepage: "https://github.com/fairlead-deploy/fairlead",
		Depends: "passwd", Recommends: "ca-certificates",
		Summary:     "push to Git; the commit is on all your servers, or none of them",
		Description: "Fairlead watches Git repositories and makes the containers on your servers\nmatch the deploy.yml in them, over SSH and Docker, without dropping a request.\nA release that does not work goes back on every host by itself.",
		Files:       files, Conffiles: []string{conf},
		Scripts: map[string]string{"postinst": postinst, "prerm": prerm, "postrm": postrm},
	}, nil
}

// The scripts of the package. Installing starts nothing: there is nothing to
// watch yet; an upgrade restarts what runs, and the daemon goes on where it was.
const postinst = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	if ! getent passwd fairlead >/dev/null; then
		useradd --system --user-group --home-dir /var/lib/fairlead --no-create-home --shell /usr/sbin/nologin fairlead
	fi
	install -d -m 0700 -o fairlead -g fairlead /etc/fairlead /etc/fairlead/secrets /var/lib/fairlead
	chown fairlead:fairlead /etc/fairlead/fairlead.yml
	if [ ! -e /etc/fairlead/known_hosts ]; then
		install -m 0600 -o fairlead -g fairlead /dev/null /etc/fairlead/known_hosts
	fi
	if [ ! -e /etc/fairlead/id_ed25519 ] && grep -q '^  key: id_ed25519' /etc/fairlead/fairlead.yml; then
		fairlead --config /etc/fairlead/fairlead.yml key >/dev/null 2>&1
	fi
	if command -v systemctl >/dev/null; then
		if [ -z "$2" ]; then
			systemctl enable fairlead.service >/dev/null 2>&1 || true
		fi
		if [ -d /run/systemd/system ]; then
			systemctl daemon-reload
			if [ -n "$2" ]; then
				systemctl try-restart fairlead.service
			fi
		fi
	fi
	if [ -z "$2" ]; then
		echo "Next: sudo fairlead repo add git@github.com:acme/shop.git"
		echo "      sudo fairlead check"
		echo "      sudo systemctl start fairlead"
	fi
fi
`

const prerm = `#!/bin/sh
set -e
if [ "$1" = remove ] && command -v systemctl >/dev/null; then
	if [ -d /run/systemd/system ]; then
		systemctl stop fairlead.service
	fi
	systemctl disable fairlead.service >/dev/null 2>&1 || true
	echo "Containers on the servers are not touched: apps and proxies go on running."
fi
`

const postrm = `#!/bin/sh
set -e
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rm -rf /etc/fairlead /var/lib/fairlead
	if getent passwd fairlead >/dev/null; then
		userdel fairlead || true
	fi
fi
`
