package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// boot makes the machine what its role says and then keeps its services
// running until the machine is told to stop.
func boot(role string) error {
	if err := mergeUsr(); err != nil {
		return err
	}
	services, err := servicesOf(role)
	if err != nil {
		return err
	}
	for _, dir := range []string{runDir, "/run/sshd"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make run folder: %w", err)
		}
	}
	if err := installKeys(); err != nil {
		return err
	}
	if err := dropDefaultRoute(); err != nil {
		return err
	}
	if role == "host" {
		if err := openCgroups(); err != nil {
			return err
		}
		// Published ports need net.ipv4.* settings. Some engines mount
		// /proc/sys writable already; then this changes nothing.
		_ = unix.Mount("", "/proc/sys", "", unix.MS_REMOUNT|unix.MS_BIND, "")
	}
	return newSupervisor(services).run()
}

// mergeUsr lays a tree of unpacked packages over the machine's /usr, where the
// fleet runs from such a tree. Process 1 does it because it is static: nothing
// of /usr is needed before.
func mergeUsr() error {
	const unpacked, usr = "/fleet/unpacked", "/fleet/usr"
	if _, err := os.Stat(filepath.Join(unpacked, "sbin")); err != nil {
		return nil
	}
	err := unix.Mount("overlay", "/usr", "overlay", unix.MS_RDONLY, "lowerdir="+unpacked+":"+usr)
	if err != nil {
		return fmt.Errorf("lay the unpacked packages over /usr: %w", err)
	}
	return nil
}

func servicesOf(role string) ([]*service, error) {
	names := &service{name: "names", argv: []string{"/proc/self/exe", "names"}}
	sshd := &service{name: "sshd", argv: []string{"/usr/sbin/sshd", "-D", "-e"}}
	switch role {
	case "host":
		return []*service{names, sshd, {name: "engine", argv: []string{"/usr/sbin/dockerd",
			"--host=unix:///run/docker.sock", "--group=docker",
			"--insecure-registry=" + os.Getenv("FLEET_REGISTRY"),
			"--storage-driver=overlay2", "--userland-proxy=false", "--ip6tables=false"}}}, nil
	case "registry":
		return []*service{names, {name: "registry", argv: []string{"/usr/bin/docker-registry", "serve", etcDir + "/registry.yml"}}}, nil
	case "git":
		return []*service{names, sshd, {name: "http", argv: []string{"/proc/self/exe", "git-http"}}}, nil
	}
	return nil, fmt.Errorf("boot: unknown role %q", role)
}

// installKeys puts the keys that the fleet made beforehand where sshd looks
// for them, with the owners and modes that it insists on.
func installKeys() error {
	if err := install(etcDir+"/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key", 0); err != nil {
		return err
	}
	for user, uid := range map[string]int{"/root": 0, "/home/deploy": 1000, "/home/git": 1001} {
		dir := user + "/.ssh"
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("install keys: %w", err)
		}
		for _, owned := range []string{user, dir} {
			if err := os.Chown(owned, uid, uid); err != nil {
				return fmt.Errorf("install keys: %w", err)
			}
		}
		if err := install(etcDir+"/authorized_keys", dir+"/authorized_keys", uid); err != nil {
			return err
		}
	}
	return nil
}

func install(from, to string, uid int) error {
	data, err := os.ReadFile(from)
	if os.IsNotExist(err) {
		return nil // the registry has no sshd
	}
	if err != nil {
		return fmt.Errorf("install keys: %w", err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		return fmt.Errorf("install keys: %w", err)
	}
	if err := os.Chown(to, uid, uid); err != nil {
		return fmt.Errorf("install keys: %w", err)
	}
	return nil
}

// dropDefaultRoute leaves the machine with its own network only: nothing that
// is deployed on it can call the outside.
func dropDefaultRoute() error {
	routes, err := exec.Command("/usr/bin/ip", "route", "show", "default").Output()
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	if len(routes) == 0 {
		return nil
	}
	if out, err := exec.Command("/usr/bin/ip", "route", "del", "default").CombinedOutput(); err != nil {
		return fmt.Errorf("drop default route: %w: %s", err, out)
	}
	return nil
}
