package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// kamal-proxy's image where deploy.yml says only part of it (Kamal 2.12,
// lib/kamal/configuration/proxy/run.rb).
const (
	kamalRepository = "basecamp/kamal-proxy"
	kamalVersion    = "v0.9.2"
)

// proxyRun is kamal-proxy's where deploy.yml names its image or says so, else
// that of Fairlead's own.
func proxyRun(d *spec.Deploy, r spec.ProxyRun) ProxyRun {
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
	return run
}

func kamalImage(r spec.ProxyRun) string {
	image := cmp.Or(r.Repository, kamalRepository) + ":" + cmp.Or(r.Version, kamalVersion)
	if r.Registry != "" {
		image = r.Registry + "/" + image
	}
	return image
}

// runs errs where the options cannot be read.
func runs(r spec.ProxyRun) error {
	if err := container.ApplyOptions(&container.Spec{}, r.Options); err != nil {
		return fmt.Errorf("proxy.run.options: %w", err)
	}
	return nil
}

// ProxyOn tells how the proxy of a host shall run; false where deploy.yml has
// nothing for it to serve. Kind, where not empty, goes before what the file
// says: "fairlead" or "kamal-proxy".
func ProxyOn(d *spec.Deploy, host, kind string) (ProxyRun, bool) {
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
		return ProxyRun{}, false
	}
	as := *d
	as.XFairlead.Proxy.Kind = cmp.Or(kind, d.XFairlead.Proxy.Kind)
	return proxyRun(&as, run), true
}
