package byhand

import (
	"context"

	"github.com/fairlead-deploy/fairlead/deployer/eject"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/files"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
)

// Ejector lets the service go; keeper takes its locks.
func (b Place) Ejector(keeper *lock.Keeper) eject.Service {
	return eject.Service{Service: b.Service(keeper), Proxies: b.Proxies(keeper), Connect: func(ctx context.Context, name string) (eject.Host, error) {
		a, err := b.Address(b.At(name))
		if err != nil {
			return eject.Host{}, err
		}
		h, err := b.Pool.Get(ctx, a)
		if err != nil {
			return eject.Host{}, err
		}
		return eject.Host{Engine: h.Engine(), Files: h.Files()}, nil
	}}
}

var (
	_ eject.Engine = (*docker.Engine)(nil)
	_ eject.Files  = files.Door{}
)
