package docker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// EnsureNetwork makes a bridge network unless one of that name is there.
//
// Two callers at once leave one: engines before 25 let two networks have one
// name, and then refuse everything that names it. So whoever made one looks
// again, and all who see several agree which stays: the first by id, unless
// another is in use already.
func (e *Engine) EnsureNetwork(ctx context.Context, name string) error {
	return e.call(ctx, "ensure network "+name, callTimeout, func(ctx context.Context, s *session) error {
		ids, err := networksNamed(ctx, s.cli, name)
		if err == nil && len(ids) == 0 {
			if _, err = s.cli.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge"}); err != nil && !cerrdefs.IsConflict(err) {
				return err // a conflict is one that appeared meanwhile
			}
			ids, err = networksNamed(ctx, s.cli, name)
		}
		if err != nil || len(ids) < 2 {
			return err
		}
		return leaveOne(ctx, s.cli, name, ids)
	})
}

// networksNamed are the ids of the networks of exactly that name, sorted.
func networksNamed(ctx context.Context, cli *client.Client, name string) ([]string, error) {
	list, err := cli.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("name", name)})
	if err != nil {
		return nil, err
	}
	items := slices.DeleteFunc(list.Items, func(n network.Summary) bool { return n.Name != name }) // the filter takes parts
	slices.SortFunc(items, func(a, b network.Summary) int { return cmp.Compare(a.ID, b.ID) })
	var ids []string
	for _, n := range items {
		ids = append(ids, n.ID)
	}
	return ids, nil
}

// leaveOne removes all of these networks but one. One that containers are in
// stays rather than the first.
func leaveOne(ctx context.Context, cli *client.Client, name string, ids []string) error {
	stays := ids[0]
	for _, id := range ids[1:] {
		err := removeNetwork(ctx, cli, id)
		if cerrdefs.IsPermissionDenied(err) || cerrdefs.IsConflict(err) {
			err, stays = removeNetwork(ctx, cli, stays), id
		}
		if cerrdefs.IsPermissionDenied(err) || cerrdefs.IsConflict(err) {
			return fmt.Errorf("several networks named %s are in use: move the containers of one to the other (docker network connect), and remove it (docker network rm ID): %w", name, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removeNetwork removes one; one that is gone is success.
func removeNetwork(ctx context.Context, cli *client.Client, name string) error {
	_, err := cli.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// RemoveNetwork removes a network. One that is gone is success; ErrInUse while
// a container is in it.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	return e.call(ctx, "remove network "+name, callTimeout, func(ctx context.Context, s *session) error {
		err := removeNetwork(ctx, s.cli, name)
		if cerrdefs.IsConflict(err) || cerrdefs.IsPermissionDenied(err) {
			return classed(ErrInUse, err)
		}
		return err
	})
}
