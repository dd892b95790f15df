package byhand

import (
	"context"
	"fmt"

	"github.com/fairlead-deploy/fairlead/daemon/builders"
	"github.com/fairlead-deploy/fairlead/deployer/hook"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
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
		if j.Secrets, err = b.secrets(ctx, b.Deploy.Builder); err != nil {
			return err
		}
	}
	return j.Do(ctx, ask)
}

// secrets are those that builds may see.
func (b Place) secrets(ctx context.Context, builder *spec.Builder) (map[string]secret.Value, error) {
	values := map[string]secret.Value{}
	if builder == nil || len(builder.Secrets) == 0 {
		return values, nil
	}
	source, err := b.Settings.Secrets(ctx, b.Files, b.Deploy.Destination, b.Deploy.SecretsPath)
	if err == nil {
		err = source.Missing(builder.Secrets)
	}
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	for _, name := range builder.Secrets {
		if values[name], _, err = source.Lookup(name); err != nil {
			return nil, fmt.Errorf("look up secret %s: %w", name, err)
		}
	}
	return values, nil
}
