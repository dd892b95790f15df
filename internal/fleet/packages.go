package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// packages are what the machines run, by their names in Debian and Ubuntu.
func packages() []string {
	return []string{"docker-registry", "openssh-server", "iptables", "iproute2", "git"}
}

// programs prove that packages are there.
func programs() []string {
	return []string{"/usr/bin/docker-registry", "/usr/sbin/sshd", "/usr/sbin/iptables", "/usr/bin/ip", "/usr/lib/git-core/git-http-backend"}
}

// Deps installs what is missing on this machine, docker.io included. It is
// meant for machines that run tests; see Unpack for those of people.
func Deps(ctx context.Context) error {
	missing := missingPrograms()
	for _, program := range []string{"dockerd", "docker"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := needApt(); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(missing, ", "), err)
	}
	if err := install(ctx, packages()...); err != nil {
		return fmt.Errorf("install packages: %w", err)
	}
	return nil
}

// install installs docker.io and more. Its client is a package of its own from
// Debian 13 on, which docker.io but recommends.
func install(ctx context.Context, more ...string) error {
	for _, wanted := range [][]string{append([]string{"docker.io"}, more...), {"docker-cli"}} {
		if _, err := apt(ctx, "/", append([]string{"install", "-y", "--no-install-recommends"}, wanted...)...); err != nil {
			return err
		}
		if _, err := exec.LookPath("docker"); err == nil {
			return nil
		}
	}
	return errors.New("there is no docker program even so")
}

// InstallDocker installs docker.io with its client, and nothing else by name, where this machine
// has no docker program. It needs root. installed tells that it did.
func InstallDocker(ctx context.Context) (installed bool, err error) {
	if _, err := exec.LookPath("docker"); err == nil {
		return false, nil
	}
	if err := needApt(); err != nil {
		return false, fmt.Errorf("install docker.io: %w", err)
	}
	if err := install(ctx); err != nil {
		return false, fmt.Errorf("install docker.io: %w", err)
	}
	return true, nil
}

// apt runs apt-get in a folder and returns what it printed. Where it fails it
// is run once more with new lists of packages: a fresh machine has none, or old
// ones.
func apt(ctx context.Context, dir string, args ...string) (string, error) {
	argv := append([]string{"env", "-C", dir, "DEBIAN_FRONTEND=noninteractive", "apt-get"}, args...)
	out, err := command(ctx, nil, argv...)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	if _, uerr := command(ctx, nil, "apt-get", "update"); uerr != nil {
		return out, errors.Join(err, uerr)
	}
	return command(ctx, nil, argv...)
}

// Installed tells whether this machine has all that the machines of a fleet
// run, so that Options.Unpacked is not needed.
func Installed() bool { return len(missingPrograms()) == 0 }

func missingPrograms() []string {
	var missing []string
	for _, p := range programs() {
		if _, err := os.Stat(p); err != nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// Unpack downloads the packages that are missing on this machine, and what they
// depend on, and unpacks them into dir without installing anything: no service
// starts, nothing of the system changes. Options.Unpacked takes dir.
func Unpack(ctx context.Context, dir string) error {
	if err := needApt(); err != nil {
		return fmt.Errorf("unpack packages: %w", err)
	}
	names, err := closure(ctx)
	if err != nil {
		return err
	}
	return unpack(ctx, dir, names)
}

func unpack(ctx context.Context, dir string, names []string) error {
	debs := filepath.Join(dir, "debs")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return fmt.Errorf("unpack packages: %w", err)
	}
	if len(names) > 0 {
		if _, err := apt(ctx, debs, append([]string{"-o", "APT::Sandbox::User=root", "download"}, names...)...); err != nil {
			return fmt.Errorf("download packages: %w", err)
		}
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return fmt.Errorf("unpack packages: %w", err)
	}
	for _, deb := range files {
		if _, err := command(ctx, nil, "dpkg-deb", "-x", deb, dir); err != nil {
			return fmt.Errorf("unpack packages: %w", err)
		}
	}
	if err := os.RemoveAll(debs); err != nil {
		return fmt.Errorf("unpack packages: %w", err)
	}
	return mergeTree(ctx, dir)
}

// mergeTree moves what older packages still ship in /bin, /lib and so on into
// /usr, where the system has it.
func mergeTree(ctx context.Context, dir string) error {
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		from, to := filepath.Join(dir, d), filepath.Join(dir, "usr", d)
		if err := os.MkdirAll(to, 0o755); err != nil {
			return fmt.Errorf("merge unpacked packages: %w", err)
		}
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if _, err := command(ctx, nil, "cp", "-a", from+"/.", to); err != nil {
			return fmt.Errorf("merge unpacked packages: %w", err)
		}
	}
	return nil
}

// closure is what apt would install for packages: those that are missing, and
// what they need that is missing too.
func closure(ctx context.Context) ([]string, error) {
	out, err := apt(ctx, "/", append([]string{"install", "--simulate", "--no-install-recommends"}, packages()...)...)
	if err != nil {
		return nil, fmt.Errorf("look for packages: %w", err)
	}
	var names []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Inst" {
			names = append(names, fields[1])
		}
	}
	return names, nil
}

func needApt() error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this needs Debian or Ubuntu (no apt-get here)")
	}
	return nil
}
