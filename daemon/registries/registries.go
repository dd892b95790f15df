// Package registries makes the client of registries that fairlead.yml
// describes.
//
// Lives here: that wiring. May not live here: how registries are asked.
package registries

import (
	"fmt"
	"os"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/registry"
)

// Open makes the client. It errors where a file or a secret that fairlead.yml
// names cannot be read.
func Open(c *config.Config) (*registry.Client, error) {
	hosts := map[string]registry.Host{}
	for name, r := range c.Registries {
		h, err := registryHost(r)
		if err != nil {
			return nil, fmt.Errorf("registries.%s: %w", name, err)
		}
		hosts[name] = h
	}
	return registry.New(registry.Options{Hosts: hosts})
}

func registryHost(r config.Registry) (registry.Host, error) {
	password, err := r.MirrorPassword.Resolve()
	if err != nil {
		return registry.Host{}, err
	}
	h := registry.Host{Mirror: r.Mirror, MirrorAuth: registry.Auth{Username: r.MirrorUser, Password: password}, Insecure: r.Insecure}
	if r.CA == "" {
		return h, nil
	}
	pem, err := os.ReadFile(r.CA)
	if err != nil {
		return h, fmt.Errorf("read ca: %w", err)
	}
	h.CA = pem
	return h, nil
}
