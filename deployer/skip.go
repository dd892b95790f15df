package deployer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// cordoned returns the hosts that get no new release, with the reason. What
// goes back goes back there, too.
func (a *attempt) cordoned(ctx context.Context) (map[string]string, error) {
	hosts := map[string]string{}
	if a.backs() {
		return hosts, nil
	}
	for name, why := range a.settings.Cordoned {
		hosts[name] = release.Cordon{By: "fairlead.yml", Why: why}.String()
	}
	cordons, err := a.d.o.Memory.Wishes.Cordons(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range cordons {
		hosts[c.Host] = c.String()
	}
	named := a.addresses()
	maps.DeleteFunc(hosts, func(name, _ string) bool { _, ok := named[name]; return !ok })
	return hosts, nil
}

// passesOver says why a host that cannot be reached is left out for now, ""
// where it is waited for. It is left out where nobody has trusted its key yet
// and it never ran a release; where deploy.yml says so; where others are
// mended; and where a person goes back, for what serves badly now cannot wait.
func (a *attempt) passesOver(host string, err error) string {
	_, unknown := errors.AsType[*ssh.UnknownHostKeyError](err)
	switch {
	case unknown && !history.EverRan(a.good, host):
		return "waits for trust: " + err.Error()
	case a.mends, a.s.req.Rollback, a.deploy.XFairlead.Unreachable == spec.UnreachableSkip:
		a.away = true
		return "unreachable: " + err.Error()
	}
	return ""
}

// passOver leaves out those of the absent hosts that are not waited for. The
// error has the others; it also comes when no host would be left.
func (a *attempt) passOver(bad map[string]error) error {
	e := &unreachableError{}
	for _, name := range a.deploy.Hosts() {
		err := bad[name]
		if err == nil {
			continue
		}
		if why := a.passesOver(name, err); why != "" {
			a.skipped[name] = why
			delete(a.servers, name)
			continue
		}
		e.add(name, err)
	}
	if len(e.hosts) == 0 && len(a.servers) == 0 {
		for _, name := range a.deploy.Hosts() {
			if err := bad[name]; err != nil {
				e.add(name, err)
			}
		}
	}
	if len(e.hosts) > 0 {
		return e
	}
	return nil
}

func (e *unreachableError) add(host string, err error) {
	if e.err == nil {
		e.err = err
	}
	e.hosts = append(e.hosts, host)
}

// leaveOut takes the skipped hosts out of what is desired. Where no other is
// left there is nothing to do before that changes.
func (a *attempt) leaveOut() error {
	wanted := a.desired.Hosts()
	a.desired = a.desired.Without(a.skipped)
	if a.moved() {
		a.desired.Policy.Orphans = false
	}
	if len(a.desired.Units) > 0 {
		return nil
	}
	for _, name := range wanted {
		if why := a.skipped[name]; why != "" {
			return &waitError{reason: fmt.Sprintf("no host is left to roll out to: %s is %s", name, why)}
		}
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
	unasked := maps.Clone(a.skipped)
	maps.DeleteFunc(unasked, func(_, why string) bool { return strings.HasPrefix(why, release.Cordoned) })
	return a.bell().Skipped(ctx, unasked)
}

// outcome notes how the release stands on each host: the same on all that it
// was rolled out to. Those that are not wanted any more may still run something.
func (a *attempt) outcome(state string) {
	o := history.Outcome{Hosts: a.desired.Hosts(), State: state, Skipped: a.skipped, Mends: a.mends, Unwell: a.waits, Moved: a.moved()}
	for _, name := range history.Former(a.good, a.deploy.Hosts()) {
		if a.servers[name].Files == nil || !a.desired.Policy.Orphans {
			o.Orphans = append(o.Orphans, name)
		}
	}
	a.r.Hosts = o.List(a.good)
}
