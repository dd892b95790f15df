package deployer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/observe"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// unreachableError says which hosts could not be read, and why the first.
type unreachableError struct {
	hosts []string
	err   error
}

func (e *unreachableError) Error() string {
	if len(e.hosts) == 1 {
		return e.err.Error()
	}
	return fmt.Sprintf("%v (and %s)", e.err, release.Count(len(e.hosts)-1, "more host"))
}

func (e *unreachableError) Unwrap() error { return e.err }

// connect reaches all hosts at once. On the way back those that answer are
// enough; the others are in absent.
func (a *attempt) connect(ctx context.Context) error {
	a.servers = map[string]Server{}
	var err error
	if a.skipped, err = a.cordoned(ctx); err != nil {
		return err
	}
	var mu sync.Mutex
	var wg abreast.Group
	bad := map[string]error{}
	for name, at := range a.addresses() {
		if a.skipped[name] != "" {
			continue
		}
		wg.Go(func() {
			s, err := a.d.o.Fleet.Server(ctx, at)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				bad[name] = err
				return
			}
			s.Work.Auth, s.Work.Files = a.auth(), s.Files
			a.servers[name] = s
		})
	}
	wg.Wait()
	a.absent = bad
	if a.backs() && len(a.servers) > 0 {
		return nil
	}
	return a.passOver(bad)
}

func (a *attempt) addresses() map[string]Address {
	list := map[string]Address{}
	for _, name := range history.Former(a.good, a.deploy.Hosts()) {
		list[name] = a.address(spec.HostEntry{Address: name})
	}
	for _, role := range a.deploy.Roles {
		for _, h := range role.Hosts {
			list[h.Address] = a.address(h)
		}
	}
	return list
}

func (a *attempt) address(h spec.HostEntry) Address {
	at := Address{Name: h.Address, Host: h.Address, User: h.User, Port: h.Port, SSH: a.deploy.SSH}
	if at.User == "" && a.deploy.SSH.UserSet {
		at.User = a.deploy.SSH.User
	}
	if at.Port == 0 && a.deploy.SSH.PortSet {
		at.Port = a.deploy.SSH.Port
	}
	return at
}

// homes returns each host's home folder and, where deploy.yml refers to it, its
// login environment.
func (a *attempt) homes(ctx context.Context) (homes map[string]string, environments map[string]map[string]string, err error) {
	homes, environments = map[string]string{}, map[string]map[string]string{}
	for name, s := range a.servers {
		homes[name] = s.Home
		if s.Environment == nil || !plan.NeedsEnvironment(a.deploy, name) {
			continue
		}
		if environments[name], err = s.Environment(ctx); err != nil && !a.backs() {
			if err = a.passOver(map[string]error{name: fmt.Errorf("read the environment of %s: %w", name, err)}); err != nil {
				return nil, nil, err
			}
		}
	}
	return homes, environments, nil
}

// auth is the account that the hosts pull with.
func (a *attempt) auth() docker.Auth {
	r := a.deploy.Registry
	return docker.Auth{
		Server:   r.Server,
		Username: a.credential(r.Username).Reveal(),
		Password: a.credential(r.Password),
	}
}

// arrive reads all hosts and removes what is left of old locks there, both at
// once: neither has to do with the other.
func (a *attempt) arrive(ctx context.Context) (plan.Observed, error) {
	var wg abreast.Group
	var swept error
	wg.Go(func() { swept = a.sweep(ctx) })
	observed, err := a.observe(ctx)
	wg.Wait()
	if a.mends && swept != nil { // no reason to leave other hosts as they are
		a.log.Warn("old locks not looked for", "service", a.r.Lane.String(), "error", swept)
		swept = nil
	}
	return observed, cmp.Or(swept, err)
}

// observe reads all hosts; one that cannot be read is a fault of the world.
func (a *attempt) observe(ctx context.Context) (plan.Observed, error) {
	o := a.look(ctx)
	if _, err := o.Unreachable(); err == nil {
		return o, nil
	}
	bad := map[string]error{}
	for name, h := range o.Hosts {
		if h.Err != nil {
			bad[name] = h.Err
		}
	}
	if err := a.passOver(bad); err != nil {
		return o, err
	}
	if err := a.leaveOut(); err != nil {
		return o, err
	}
	maps.DeleteFunc(o.Hosts, func(_ string, h plan.Host) bool { return h.Err != nil })
	return o, nil
}

func (a *attempt) look(ctx context.Context) plan.Observed {
	names := a.desired.Hosts()
	former := history.Former(a.good, a.deploy.Hosts())
	for _, name := range former {
		if _, ok := a.servers[name]; ok {
			names = append(names, name)
		}
	}
	o := observe.All(ctx, a.r.Lane, names, func(_ context.Context, name string) (observe.Host, error) {
		return a.servers[name].Read, a.absent[name]
	})
	for _, name := range former { // what is not wanted may be away
		if o.Hosts[name].Err != nil {
			delete(o.Hosts, name)
		}
	}
	return o
}

// rolloutHosts are the hosts that the plan works on, but for absent ones.
func (a *attempt) rolloutHosts() (map[string]rollout.Host, map[string]lock.Files) {
	hosts, files := map[string]rollout.Host{}, map[string]lock.Files{}
	names := a.desired.Hosts()
	if a.desired.Policy.Orphans {
		names = append(names, history.Former(a.good, a.deploy.Hosts())...)
	}
	for _, name := range names {
		if s, ok := a.servers[name]; ok {
			hosts[name], files[name] = s.Work, s.Files
		}
	}
	return hosts, files
}
