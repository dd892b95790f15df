package byhand

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/backup"
	"github.com/fairlead-deploy/fairlead/deployer/accessory/verbs"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Do carries out an ask; keeper takes its locks.
func (b Place) Do(ctx context.Context, keeper *lock.Keeper, ask operation.Ask, who operation.Caller) error {
	if ask.Verb.OfProxy() {
		return b.Proxies(keeper).Do(ctx, ask, who)
	}
	if ask.Verb == operation.Eject {
		return b.Ejector(keeper).Do(ctx, ask, who)
	}
	if !ask.Verb.OfAccessory() {
		return b.Service(keeper).Do(ctx, ask, who)
	}
	s := &verbs.Service{
		Service: b.Service(keeper), Inputs: b.inputs, Dumps: backup.Folder{Path: b.Dumps}, Log: b.Log,
		Server: func(ctx context.Context, name string) (reach.Server, error) { return b.Fleet.Server(ctx, b.At(name)) },
		Engine: b.engine,
	}
	return s.Do(ctx, ask, who)
}

func (b Place) engine(ctx context.Context, name string) (backup.Engine, error) {
	a, err := b.Address(b.At(name))
	if err != nil {
		return nil, err
	}
	h, err := b.Pool.Get(ctx, a)
	if err != nil {
		return nil, err
	}
	return h.Engine(), nil
}

// inputs are what deploy.yml does not hold of its accessories.
func (b Place) inputs(ctx context.Context) (accessory.Inputs, error) {
	in := accessory.Inputs{Files: b.Files, Env: b.Settings.Env, Secrets: map[string]secret.Value{}}
	needed := spec.Deploy{Registry: b.Deploy.Registry, Accessories: b.Deploy.Accessories}
	names := needed.SecretNames()
	if len(names) == 0 {
		return in, nil
	}
	source, err := b.Settings.Secrets(ctx, b.Files, b.Deploy.Destination, b.Deploy.SecretsPath)
	if err != nil {
		return in, fmt.Errorf("open secrets: %w", err)
	}
	if err := source.Missing(names); err != nil {
		return in, err
	}
	for _, name := range names {
		v, _, err := source.Lookup(name)
		if err != nil {
			return in, fmt.Errorf("look up secret %s: %w", name, err)
		}
		in.Secrets[name] = v
	}
	return in, nil
}

var _ backup.Engine = (*docker.Engine)(nil)
