package store

import "context"

// OpenTo is Open of a Fairlead whose schema has these later steps.
func OpenTo(ctx context.Context, dir string, later ...string) (*Store, error) {
	steps, err := migrations()
	if err != nil {
		return nil, err
	}
	return open(ctx, dir, Options{}, append(steps, later...))
}
