package daemon

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server"
	"github.com/fairlead-deploy/fairlead/store"
)

// byFile is who cordons a host that fairlead.yml says it of.
const byFile = "fairlead.yml"

// cordons keeps new releases off hosts: by the store, which lasts over a
// restart, and by fairlead.yml.
type cordons struct{ d *Daemon }

// Cordons returns all that are in force, by host.
func (k cordons) Cordons(ctx context.Context) ([]release.Cordon, error) {
	list, err := k.d.store.Cordons(ctx)
	for name, why := range cordonedIn(k.d.current().conf.Hosts) {
		if !slices.ContainsFunc(list, func(c release.Cordon) bool { return c.Host == name }) {
			list = append(list, release.Cordon{Host: name, By: byFile, Why: why})
		}
	}
	slices.SortFunc(list, func(a, b release.Cordon) int { return cmp.Compare(a.Host, b.Host) })
	return list, err
}

// Cordon keeps new releases off a host from now on; those that wait for it go
// on without it at once.
func (k cordons) Cordon(ctx context.Context, c release.Cordon) error {
	known, err := k.hosts(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(known, c.Host) {
		return &server.Error{
			Status: http.StatusNotFound, Message: "no service is known on a host called " + c.Host,
			Hint: "hosts are called as deploy.yml calls them; known are " + cmp.Or(strings.Join(known, ", "), "none yet"),
		}
	}
	if err := k.d.store.Cordon(ctx, c); err != nil {
		return err
	}
	k.changed(c.By, c.Host+" was cordoned")
	return nil
}

// Uncordon ends that; the host is caught up at once.
func (k cordons) Uncordon(ctx context.Context, host, by string) error {
	all, err := k.Cordons(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c release.Cordon) bool { return c.Host == host })
	switch {
	case i < 0:
		return &server.Error{Status: http.StatusNotFound, Message: host + " is not cordoned", Hint: "`fairlead host list` shows those that are"}
	case all[i].By == byFile:
		return &server.Error{Status: http.StatusConflict, Message: host + " is " + all[i].String(), Hint: "remove `cordoned:` from hosts." + host + " there"}
	}
	if err := k.d.store.Uncordon(ctx, host); err != nil {
		return err
	}
	k.changed(by, host+" was uncordoned")
	return nil
}

// changed lets every service look at its hosts.
func (k cordons) changed(by, what string) {
	p := k.d.current()
	k.d.o.Log.Info(what, "by", by)
	for name := range projects(p.conf) {
		p.watcher.Trigger(name, release.Cause{Kind: release.CauseReconcile, Actor: by, Detail: what})
	}
}

// hosts are those that a deploy.yml names now, that a release ran on, and that
// fairlead.yml names.
func (k cordons) hosts(ctx context.Context) ([]string, error) {
	p := k.d.current()
	set := map[string]bool{}
	for name := range p.conf.Hosts {
		set[name] = true
	}
	for _, name := range p.deployer.Hosts(ctx) {
		set[name] = true
	}
	for repo := range p.conf.Repositories {
		recent, err := k.d.store.Releases(ctx, store.Filter{Repo: repo, Limit: 20})
		if err != nil {
			return nil, err
		}
		for _, r := range recent {
			for _, h := range r.Hosts {
				set[h.Host] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set)), nil
}
