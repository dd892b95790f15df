package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/crypto/bcrypt"
)

const registryConfig = `version: 0.1
log: {level: info, accesslog: {disabled: false}}
storage:
  filesystem: {rootdirectory: /var/lib/docker-registry}
  delete: {enabled: true}
http: {addr: ":5000"}
`

// makeRegistryFiles writes the registry's configuration, with a password file
// if the options ask for one.
func (f *Fleet) makeRegistryFiles() error {
	config, dir := registryConfig, f.path("machines", "registry")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make files of registry: %w", err)
	}
	if f.opts.RegistryUser != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(f.opts.RegistryPassword), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hash registry password: %w", err)
		}
		line := f.opts.RegistryUser + ":" + string(hash) + "\n"
		if err := os.WriteFile(filepath.Join(dir, "htpasswd"), []byte(line), 0o600); err != nil {
			return fmt.Errorf("make files of registry: %w", err)
		}
		config += "auth: {htpasswd: {realm: fleet, path: /fleet/etc/htpasswd}}\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "registry.yml"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("make files of registry: %w", err)
	}
	return nil
}

// runRegistry boots the registry and publishes it on a port that the kernel
// says is free. The port is chosen here and not by the engine so that it stays
// the same when the registry is killed and booted.
func (f *Fleet) runRegistry(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("choose registry port: %w", err)
	}
	f.RegistryLocal = l.Addr().String()
	if err := l.Close(); err != nil {
		return fmt.Errorf("choose registry port: %w", err)
	}
	disk, err := f.disk(ctx, "registry", "/var/lib/docker-registry")
	if err != nil {
		return err
	}
	return f.RegistryMachine.run(ctx, f, append(disk, "-p", f.RegistryLocal+":5000")...)
}

func (f *Fleet) runGit(ctx context.Context) error {
	return f.GitMachine.run(ctx, f, "-v", f.path("git")+":/srv/git")
}

// disk makes a volume that lives as long as the fleet.
func (f *Fleet) disk(ctx context.Context, name, at string) ([]string, error) {
	volume := f.name(name)
	if _, err := docker(ctx, append(append([]string{"volume", "create"}, f.labels()...), volume)...); err != nil {
		return nil, fmt.Errorf("make disk of %s: %w", name, err)
	}
	return []string{"-v", volume + ":" + at}, nil
}
