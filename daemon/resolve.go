package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
)

// Resolved is a deploy.yml as it is understood; secrets appear by name.
type Resolved struct {
	YAML, JSON []byte
	Warnings   []string
}

// InProject tells whether a folder is in a checkout with a deploy.yml.
func InProject(dir string) bool {
	dir, err := filepath.Abs(dir)
	return err == nil && project(dir) != ""
}

// ResolveCheckout reads the deploy.yml of the checkout that dir is in.
func ResolveCheckout(dir, file, destination string) (Resolved, error) {
	c, err := OpenCheckout(dir, file, destination)
	if err != nil {
		return Resolved{}, err
	}
	r, err := render(c.Deploy, c.Warnings)
	return r, errors.Join(err, c.Close())
}

// ResolveRepository reads the deploy.yml of the newest commit of one of
// fairlead.yml's repositories.
func ResolveRepository(ctx context.Context, c *config.Config, name, destination string) (_ Resolved, err error) {
	reach, err := NewReach(c, slog.New(slog.DiscardHandler), func() float64 { return 0 })
	if err != nil {
		return Resolved{}, err
	}
	defer func() { err = errors.Join(err, reach.Close()) }()
	repo := c.Repositories[name]
	look, err := reach.Look(ctx, name, repo)
	if err != nil {
		return Resolved{}, err
	}
	d, warnings, err := reach.Deploy(look.Files, repo, destination)
	if err != nil {
		return Resolved{}, err
	}
	return render(d, warnings)
}

func render(d *spec.Deploy, warnings []spec.Warning) (r Resolved, err error) {
	for _, w := range warnings {
		r.Warnings = append(r.Warnings, w.String())
	}
	yaml, yamlErr := d.RenderYAML()
	json, jsonErr := d.RenderJSON()
	r.YAML, r.JSON = yaml, json
	return r, errors.Join(yamlErr, jsonErr)
}
