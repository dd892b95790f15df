// Package eject leaves a service to Kamal: what Kamal's command line expects to
// find on its hosts is put there, and Fairlead lets go.
//
// Containers, labels, networks, versions and the lock are Kamal's anyway. What
// Kamal makes at each of its own deploys and Fairlead has no use for is made
// here: the files of secret variables, which its one-off containers are given,
// and the tag `latest` where it is missing; and the proxy becomes kamal-proxy.
//
// Lives here: what that is, and its order. May not live here: how a proxy is
// replaced (deployer/proxies), locks and holds (deployer/operate).
package eject

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/operate"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/proxies"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Engine is a host's (docker.Engine).
type Engine interface {
	Containers(ctx context.Context, labels map[string]string) ([]container.Observed, error)
	Tag(ctx context.Context, id, ref string) error
}

// Files are a host's, relative to the ssh user's home.
type Files interface {
	MkdirAll(ctx context.Context, dir string, mode fs.FileMode) error
	Write(ctx context.Context, path string, content []byte, mode fs.FileMode) error
}

// Host is one host.
type Host struct {
	Engine Engine
	Files  Files
}

// Service is a service that is let go.
type Service struct {
	*operate.Service
	Connect func(ctx context.Context, name string) (Host, error)
	Proxies proxies.Proxies
}

// Do lets the service go: it is held, so that nothing follows Git and nothing
// is mended, and its hosts get what Kamal expects. It may be repeated. Last,
// host by host, the proxies become kamal-proxy, which is told how long they
// refused connections.
func (s Service) Do(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if traefik.Keeps(s.Deploy) {
		return &operation.Refusal{Message: "Kamal 2 knows kamal-proxy alone, and deploy.yml keeps Traefik", Hint: "write `x-fairlead: {proxy: kamal-proxy}` and push, then `fairlead proxy use kamal-proxy`, and eject"}
	}
	if err := s.hold(ctx, ask, who); err != nil {
		return err
	}
	var ours []string
	err := s.With(ctx, ask, who, func(ctx context.Context, hosts []string, may func(context.Context, string) error) error {
		var errs []error
		for _, name := range hosts {
			h, err := s.Connect(ctx, name)
			if err == nil {
				err = may(ctx, name)
			}
			if err == nil {
				var mine bool
				if mine, err = s.on(ctx, name, h, who); mine {
					ours = append(ours, name)
				}
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil || len(ours) == 0 {
		return err
	}
	ask.Verb, ask.Kind, ask.Rolling, ask.Hosts = operation.ProxyUse, operation.KindKamalProxy, true, ours
	return s.Proxies.Do(ctx, ask, who)
}

func (s Service) hold(ctx context.Context, ask operation.Ask, who operation.Caller) error {
	if s.Hold == nil {
		return nil // nothing here follows Git
	}
	lane := s.Lane()
	by := ask.Actor
	if by == "" {
		by = "someone"
	}
	if err := s.Hold(ctx, release.Hold{Lane: lane, By: by, Since: time.Now(), Why: release.WhyEjected}); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	return who.Tell(operation.Told{Done: fmt.Sprintf("%s is held: nothing follows Git, and nothing is mended", lane)})
}

// on puts in place what Kamal expects on one host. ours tells whether the proxy
// there is Fairlead's own.
func (s Service) on(ctx context.Context, name string, h Host, who operation.Caller) (ours bool, err error) {
	all, err := h.Engine.Containers(ctx, nil)
	if err != nil {
		return false, err
	}
	for _, role := range s.Deploy.Roles {
		if !slices.ContainsFunc(role.Hosts, func(e spec.HostEntry) bool { return e.Address == name }) {
			continue
		}
		if err := s.role(ctx, name, role.Name, h, all, who); err != nil {
			return false, err
		}
	}
	for _, a := range s.Deploy.Accessories {
		if !slices.ContainsFunc(a.Hosts, func(e spec.HostEntry) bool { return e.Address == name }) {
			continue
		}
		if err := s.beside(ctx, name, a, h, all, who); err != nil {
			return false, err
		}
	}
	i := slices.IndexFunc(all, func(c container.Observed) bool { return c.Name == route.Container })
	return i >= 0 && all[i].Spec.Labels[route.LabelOurs] != "", nil
}

func (s Service) role(ctx context.Context, host, role string, h Host, all []container.Observed, who operation.Caller) error {
	lane := s.Lane()
	o := plan.Observed{Hosts: map[string]plan.Host{host: {Containers: all}}}
	list := o.Of(lane, plan.Key{Host: host, Role: role})
	from := operation.Source{Host: host, Role: role}
	i := slices.IndexFunc(list, func(c container.Observed) bool { return c.State.IsUp() })
	if i < 0 {
		return who.Tell(operation.Told{Source: from, Warning: "nothing of it runs here; Kamal's next deploy starts it"})
	}
	c := list[i]
	from.Name = c.Name
	latest := s.Deploy.Image.Name() + ":latest"
	if lane.Destination != "" {
		latest += "-" + lane.Destination
	}
	if err := h.Engine.Tag(ctx, c.Image.ID, latest); err != nil {
		return err
	}
	_, secrets := s.Deploy.EnvFor(role, host)
	file, err := s.write(ctx, h, "roles", role, secrets, c)
	if err != nil {
		return err
	}
	return who.Tell(operation.Told{Source: from, Done: fmt.Sprintf("is %s; %s has %s", latest, file, release.Count(len(secrets), "secret"))})
}

// beside puts the secrets of an accessory where Kamal's one-off containers of it
// get them.
func (s Service) beside(ctx context.Context, host string, a spec.Accessory, h Host, all []container.Observed, who operation.Caller) error {
	from := operation.Source{Host: host, Role: a.Name, Name: a.Service}
	i := slices.IndexFunc(all, func(c container.Observed) bool { return c.Name == a.Service })
	if i < 0 {
		return who.Tell(operation.Told{Source: from, Warning: "it is not there; `kamal accessory boot " + a.Name + "` makes it"})
	}
	file, err := s.write(ctx, h, "accessories", a.Name, a.Env.Secrets, all[i])
	if err != nil {
		return err
	}
	return who.Tell(operation.Told{Source: from, Done: fmt.Sprintf("%s has %s", file, release.Count(len(a.Env.Secrets), "secret"))})
}

// write writes the file of secret variables of a role or an accessory, for root
// alone, with the values that its container has.
func (s Service) write(ctx context.Context, h Host, kind, name string, secrets []spec.SecretRef, c container.Observed) (file string, err error) {
	file = path.Join(".kamal/apps", s.Lane().String(), "env", kind, name+".env")
	if err := h.Files.MkdirAll(ctx, path.Dir(file), 0o755); err != nil {
		return "", err
	}
	return file, h.Files.Write(ctx, file, EnvFile(secrets, c.Spec.Env), 0o600)
}

// EnvFile is what Kamal gives `docker run --env-file`: the secret variables, as
// the container that runs has them, one to a line, with Ruby's escapes for what
// does not fit there (Kamal 2.12, lib/kamal/env_file.rb). Without any it is an
// empty line.
func EnvFile(secrets []spec.SecretRef, env map[string]secret.Value) []byte {
	var b strings.Builder
	for _, ref := range secrets {
		if v, ok := env[ref.Name]; ok {
			b.WriteString(ref.Name + "=" + escaped(v.Reveal()) + "\n")
		}
	}
	if b.Len() == 0 {
		return []byte("\n")
	}
	return []byte(b.String())
}

// escaped keeps all but control characters and backslashes.
func escaped(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c == 0x7f:
			b.WriteString(strings.Trim(strconv.Quote(string(c)), `"`))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
