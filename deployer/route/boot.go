package route

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/program"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

const (
	// LabelOurs marks the container of Fairlead's own proxy.
	LabelOurs = "fairlead.proxy"

	configVolume = "kamal-proxy-config"
	configPath   = "/home/kamal-proxy/.config/kamal-proxy"
	appsConfig   = ".kamal/proxy/apps-config"
	appsPath     = "/home/kamal-proxy/.apps-config"
)

// Engine is what booting a proxy asks of a host's engine.
type Engine interface {
	program.Engine
	Create(ctx context.Context, name string, s container.Spec) (id string, err error)
	Start(ctx context.Context, id string) error
}

// Folders makes folders in the ssh user's home.
type Folders interface {
	MkdirAll(ctx context.Context, path string, mode fs.FileMode) error
}

// Booter starts Fairlead's proxy on a host.
type Booter struct {
	Engine  Engine
	Folders Folders
	Arch    string // of the host, as Go names it
	Binary  program.Binary
}

// Boot makes the proxy's container run: an existing one is started, else a new
// one made: of an image that is loaded through the connection, or of
// kamal-proxy's, which is on the host. home is the ssh user's home there.
func (b *Booter) Boot(ctx context.Context, run plan.ProxyRun, present bool, home string) error {
	if present {
		return b.Engine.Start(ctx, Container)
	}
	if run.Image == "" {
		if err := program.Ensure(ctx, b.Engine, b.Arch, b.Binary); err != nil {
			return fmt.Errorf("boot proxy: %w", err)
		}
	}
	_, err := b.create(ctx, Container, run, home)
	if err != nil && !errors.Is(err, docker.ErrNameTaken) { // taken: another lane was quicker
		return fmt.Errorf("boot proxy: %w", err)
	}
	return b.Engine.Start(ctx, Container)
}

// create makes the container, not started.
func (b *Booter) create(ctx context.Context, name string, run plan.ProxyRun, home string) (id string, err error) {
	s := Spec(run, home)
	if err := container.ApplyOptions(&s, run.Options); err != nil {
		return "", fmt.Errorf("proxy.run.options: %w", err)
	}
	// Before the engine does, which would give it to root: what listens in it
	// is for its owner.
	if err := b.Folders.MkdirAll(ctx, appsConfig, 0o755); err != nil {
		return "", err
	}
	return b.Engine.Create(ctx, name, s)
}

// Spec is the proxy's container without the options of docker run, with Kamal's
// names for its volume, mounts, network and label (Kamal 2.12,
// lib/kamal/commands/proxy.rb).
func Spec(run plan.ProxyRun, home string) container.Spec {
	s := container.Spec{
		Image:   run.Image,
		Network: plan.Network,
		Restart: container.Restart{Policy: "unless-stopped"},
		Labels:  map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
		Env:     map[string]secret.Value{},
		Mounts:  []container.Mount{{Kind: container.Volume, Source: configVolume, Target: configPath}},
		Log:     container.Log{Options: map[string]string{}},
	}
	if run.Image == "" {
		s.Image, s.Labels[LabelOurs] = program.Image, program.ImageTag
	}
	for name, value := range map[string]string{"KAMAL_PROXY_ACME_EMAIL": run.ACMEEmail, "KAMAL_PROXY_ACME_DIRECTORY": run.ACMEDirectory} {
		if value != "" {
			s.Env[name] = secret.New(value)
		}
	}
	if home != "" {
		s.Mounts = append(s.Mounts, container.Mount{Kind: container.Bind, Source: path.Join(home, appsConfig), Target: appsPath})
	}
	if run.LogMaxSize != "" {
		s.Log.Options["max-size"] = run.LogMaxSize
	}
	s.Cmd = []string{"kamal-proxy", "run", "--http-port", strconv.Itoa(run.HTTPPort), "--https-port", strconv.Itoa(run.HTTPSPort)}
	if run.Debug {
		s.Cmd = append(s.Cmd, "--debug")
	}
	if run.MetricsPort != 0 {
		s.Cmd = append(s.Cmd, "--metrics-port", strconv.Itoa(run.MetricsPort))
	}
	if !run.Publish {
		return s
	}
	ips := run.BindIPs
	if len(ips) == 0 {
		ips = []string{""}
	}
	for _, ip := range ips {
		for _, port := range []int{run.HTTPPort, run.HTTPSPort} {
			s.Ports = append(s.Ports, container.Port{HostIP: ip, HostPort: uint16(port), Port: uint16(port), Protocol: "tcp"})
		}
	}
	return s
}
