package byhand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fairlead-deploy/fairlead/deployer/record"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/deployer/texts"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/store"
)

// served returns the deploy.yml of the last release that succeeded, as it was
// then, and its version; nil where none did, or nothing is kept of it.
func (b Place) served(ctx context.Context) (*spec.Deploy, string, error) {
	lane := release.Lane{Service: b.Deploy.Service, Destination: b.Deploy.Destination}
	last, ok, err := b.Store.LastSucceeded(ctx, lane)
	if err != nil || !ok {
		return nil, "", err
	}
	var k record.Kept
	body, err := b.Store.Config(ctx, last.ID)
	if err == nil {
		err = json.Unmarshal(body, &k)
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && len(k.Files) == 0 {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read what %s was made of: %w", last.ID, err)
	}
	o := b.Settings.Reading(ctx, release.Request{Destination: lane.Destination})
	o.Path = k.File
	d, _, err := spec.Load(texts.Files(k.Files), o)
	if err != nil {
		return nil, "", fmt.Errorf("read the deploy.yml of %s: %w", last.ID, err)
	}
	return d, last.Version, nil
}
