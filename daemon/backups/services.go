package backups

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"github.com/fairlead-deploy/fairlead/daemon/byhand"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

// Folder is that of the accessories' backups in a folder of data.
func Folder(data string) string { return filepath.Join(data, "backups") }

// Of lists the services of a fairlead.yml, as place knows them; one that cannot
// be read is left out, for who watches its repository tells of it.
func Of(c *config.Config, place func(ctx context.Context, ask operation.Ask) (byhand.Place, error)) func(context.Context) []Service {
	return func(ctx context.Context) (list []Service) {
		for _, repo := range slices.Sorted(maps.Keys(c.Repositories)) {
			destinations := c.Repositories[repo].Destinations
			if len(destinations) == 0 {
				destinations = []string{""}
			}
			for _, destination := range destinations {
				p, err := place(ctx, operation.Ask{Repo: repo, Destination: destination})
				if err != nil {
					continue
				}
				list = append(list, Service{
					Lane: p.Service(nil).Lane(), Accessories: p.Deploy.Accessories,
					Do: func(ctx context.Context, ask operation.Ask, who operation.Caller) error {
						return p.Do(ctx, nil, ask, who)
					},
				})
			}
		}
		return list
	}
}
