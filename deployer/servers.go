package deployer

import (
	"cmp"
	"context"

	"github.com/fairlead-deploy/fairlead/deployer/abreast"
	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/lock"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
)

// connect reaches all hosts at once.
func (a *attempt) connect(ctx context.Context) error {
	cordoned, err := reach.Cordoned(ctx, a.d.o.Memory.Wishes, a.settings.Cordoned)
	if err != nil {
		return err
	}
	a.hosts, err = reach.Connect(ctx, a.d.o.Fleet, reach.Terms{
		Deploy: a.deploy, Good: a.good, Auth: a.auth(), Cordoned: cordoned, Allow: a.settings.Allow, Secrets: a.secrets,
		Back: a.backs(), Loose: a.mends || a.s.req.Rollback, Beside: a.tends(),
	})
	return err
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
	files := a.hosts.Files() // before hosts are passed over
	wg.Go(func() { swept = a.sweep(ctx, files) })
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
	o, all, err := a.hosts.Read(ctx, a.r.Lane, a.crew.Hosts(a.desired.Hosts()))
	if err != nil || all {
		return o, err
	}
	return o, a.leaveOut()
}

func (a *attempt) look(ctx context.Context) plan.Observed {
	return a.hosts.Look(ctx, a.r.Lane, a.desired.Hosts())
}

// rolloutHosts are the hosts that the plan works on, but for absent ones.
func (a *attempt) rolloutHosts() (map[string]rollout.Host, map[string]lock.Files) {
	names := append(a.desired.Hosts(), a.crew.Touched...)
	if a.desired.Policy.Orphans {
		names = append(names, a.hosts.Former()...)
	}
	hosts, files := a.hosts.Work(names)
	return a.builds().Laden(accessory.Pulling(hosts, a.deploy, a.credential, false)), files
}

// leaveOut takes the skipped hosts out of what is desired. Where no other is
// left there is nothing to do before that changes.
func (a *attempt) leaveOut() error {
	d, why := a.hosts.LeaveOut(a.desired)
	if a.desired = d; a.moved() {
		a.desired.Policy.Orphans = false
	}
	if why != "" {
		return &waitError{reason: why}
	}
	return nil
}

// moved tells that deploy.yml names none of the hosts that ran the last good
// release, and that nobody asked for it: it ends nothing by itself.
func (a *attempt) moved() bool {
	return !commanded(a.s.req) && history.Moved(a.good, a.deploy.Hosts())
}

// tellSkipped raises one alert for hosts that are left out without anybody's
// wish, and ends it when none is.
func (a *attempt) tellSkipped(ctx context.Context) error {
	err := a.bell().Skipped(ctx, a.hosts.Unasked())
	if err == nil && a.tends() {
		err = a.bell().Beside(ctx, a.crew.Notes)
	}
	return err
}

// outcome notes how the release stands on each host: the same on all that it
// was rolled out to. Those that are not wanted any more may still run something.
func (a *attempt) outcome(state string) {
	o := history.Outcome{Hosts: a.desired.Hosts(), State: state, Skipped: a.hosts.Skipped, Mends: a.mends, Unwell: a.waits, Moved: a.moved()}
	for _, name := range a.hosts.Former() {
		if a.hosts.Servers[name].Files == nil || !a.desired.Policy.Orphans {
			o.Orphans = append(o.Orphans, name)
		}
	}
	a.r.Hosts = o.List(a.good)
}
