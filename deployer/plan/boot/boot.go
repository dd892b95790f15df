// Package boot is how a host's reverse proxy is started where none runs, as a
// deploy.yml says: which of the three kinds, and with what.
//
// Lives here: that, and on which hosts one is needed. Pure. May not live here:
// the starting (deployer/route), when it is due (plan).
package boot

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// ProxyRun is how a host's reverse proxy is started where none runs.
type ProxyRun struct {
	HTTPPort, HTTPSPort, MetricsPort int
	Publish                          bool
	BindIPs                          []string
	Debug                            bool
	LogMaxSize                       string
	// Image is kamal-proxy's; empty is Fairlead's own, which is made of the
	// program.
	Image   string
	Options map[string][]string // flags of docker run
	// ACMEEmail and ACMEDirectory are what certificates come by, empty for the
	// usual ones; kamal-proxy knows neither.
	ACMEEmail, ACMEDirectory string
	// Traefik is the whole container where deploy.yml keeps Traefik; then Image
	// is its image. nil elsewhere.
	Traefik *container.Spec
}

// kamal-proxy's image where deploy.yml says only part of it (Kamal 2.12,
// lib/kamal/configuration/proxy/run.rb).
const (
	kamalRepository = "basecamp/kamal-proxy"
	kamalVersion    = "v0.9.2"
)

// Run is kamal-proxy's where deploy.yml names its image or says so, or
// Traefik's, else that of Fairlead's own.
func Run(d *spec.Deploy, r spec.ProxyRun, secrets map[string]secret.Value) (ProxyRun, error) {
	if traefik.Keeps(d) {
		s, err := traefik.Spec(d, secrets)
		return ProxyRun{Image: s.Image, Traefik: &s}, err
	}
	run := ProxyRun{
		HTTPPort: r.HTTPPort, HTTPSPort: r.HTTPSPort, MetricsPort: r.MetricsPort,
		Publish: r.Publish, BindIPs: r.BindIPs, Debug: r.Debug, LogMaxSize: r.LogMaxSize, Options: r.Options,
	}
	switch x := d.XFairlead.Proxy; {
	case x.Kind == "kamal-proxy", x.Kind != "fairlead" && r.Registry+r.Repository+r.Version != "":
		run.Image = kamalImage(r)
	default:
		run.ACMEEmail, run.ACMEDirectory = x.ACMEEmail, x.ACMEDirectory
	}
	if err := container.ApplyOptions(&container.Spec{}, r.Options); err != nil {
		return run, fmt.Errorf("proxy.run.options: %w", err)
	}
	return run, nil
}

func kamalImage(r spec.ProxyRun) string {
	image := cmp.Or(r.Repository, kamalRepository) + ":" + cmp.Or(r.Version, kamalVersion)
	if r.Registry != "" {
		image = r.Registry + "/" + image
	}
	return image
}

// On tells how the proxy of a host shall run; false where deploy.yml has
// nothing for it to serve. Kind, where not empty, goes before what the file
// says: "fairlead", "kamal-proxy" or "traefik". An error tells what is wrong
// with the settings, or that secrets has not what they name.
func On(d *spec.Deploy, host, kind string, secrets map[string]secret.Value) (ProxyRun, bool, error) {
	run, ok := spec.ProxyRun{}, false
	look := func(hosts []spec.HostEntry, p *spec.Proxy) {
		if !ok && p != nil && slices.ContainsFunc(hosts, func(h spec.HostEntry) bool { return h.Address == host }) {
			run, ok = p.Run, true
		}
	}
	for _, role := range d.Roles {
		if role.Proxied {
			look(role.Hosts, role.Proxy)
		}
	}
	for _, a := range d.Accessories {
		look(a.Hosts, a.Proxy)
	}
	if !ok {
		return ProxyRun{}, false, nil
	}
	as := *d
	as.XFairlead.Proxy.Kind = cmp.Or(kind, d.XFairlead.Proxy.Kind)
	built, err := Run(&as, run, secrets)
	return built, true, err
}
