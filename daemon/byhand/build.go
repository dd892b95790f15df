package byhand

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/daemon/builders"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// Build works on the service's images. Of the job it fills in what deploy.yml
// and its secrets say.
func (b Place) Build(ctx context.Context, j builders.Job, ask builders.Ask) (err error) {
	j.Deploy, j.At, j.Beside = b.Deploy, b.At, b.beside(hook.Facts{})
	if ask.NeedsSecrets() {
		if j.Auth, err = b.Account(ctx); err != nil {
			return err
		}
		if d := b.Deploy.Builder; d != nil {
			if j.Secrets, err = b.values(ctx, d.Secrets); err != nil {
				return err
			}
		}
	}
	return j.Do(ctx, ask)
}

// values are those of some secrets.
func (b Place) values(ctx context.Context, names []string) (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	if len(names) == 0 {
		return values, nil
	}
	source, err := b.Settings.Secrets(ctx, b.Files, b.Deploy.Destination, b.Deploy.SecretsPath)
	if err == nil {
		err = source.Missing(names)
	}
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	for _, name := range names {
		if values[name], _, err = source.Lookup(name); err != nil {
			return nil, fmt.Errorf("look up secret %s: %w", name, err)
		}
	}
	return values, nil
}
