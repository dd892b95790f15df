package reach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/history"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release"
)

// Cordons are those that people set through the API, for all lanes.
type Cordons interface {
	Cordons(ctx context.Context) ([]release.Cordon, error)
}

// Cordoned returns the hosts that get no new release, with the reason: those of
// fairlead.yml and those that people set.
func Cordoned(ctx context.Context, set Cordons, configured map[string]string) (map[string]string, error) {
	hosts := map[string]string{}
	for name, why := range configured {
		hosts[name] = release.Cordon{By: "fairlead.yml", Why: why}.String()
	}
	cordons, err := set.Cordons(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range cordons {
		hosts[c.Host] = c.String()
	}
	return hosts, nil
}

// passesOver says why a host that cannot be reached is left out for now, ""
// where it is waited for. It is left out where nobody has trusted its key yet
// and it never ran a release; where deploy.yml says so; where others are
// mended; and where a person goes back, for what serves badly now cannot wait.
func (h *Hosts) passesOver(host string, err error) string {
	_, unknown := errors.AsType[*ssh.UnknownHostKeyError](err)
	switch {
	case unknown && !history.EverRan(h.t.Good, host):
		return "waits for trust: " + err.Error()
	case h.t.Deploy.XFairlead.Unreachable == spec.UnreachableSkip:
	case h.t.Loose:
		h.loose[host] = err
	default:
		return ""
	}
	h.Away = true
	return "unreachable: " + rollout.PlainAt(host, err).Error()
}

// Tighten waits after all for the hosts that were passed over because Loose said
// so: the error has them.
func (h *Hosts) Tighten() error {
	h.t.Loose = false
	return h.PassOver(h.loose)
}

// PassOver leaves out those of the absent hosts that are not waited for. The
// error has the others; it also comes when no host would be left.
func (h *Hosts) PassOver(bad map[string]error) error {
	e := &UnreachableError{}
	for _, name := range h.names() {
		err := bad[name]
		if err == nil {
			continue
		}
		if why := h.passesOver(name, err); why != "" {
			h.Skipped[name] = why
			delete(h.Servers, name)
			continue
		}
		e.add(name, err)
	}
	if len(e.Hosts) == 0 && len(h.Servers) == 0 {
		for _, name := range h.names() {
			if err := bad[name]; err != nil {
				e.add(name, err)
			}
		}
	}
	if len(e.Hosts) > 0 {
		return e
	}
	return nil
}

// LeaveOut takes the skipped hosts out of what is desired. Where no other is
// left it says why there is nothing to do before that changes.
func (h *Hosts) LeaveOut(d plan.Desired) (rest plan.Desired, why string) {
	wanted := d.Hosts()
	if d = d.Without(h.Skipped); len(d.Units) > 0 {
		return d, ""
	}
	for _, name := range wanted {
		if why := h.Skipped[name]; why != "" {
			return d, fmt.Sprintf("no host is left to roll out to: %s is %s", name, why)
		}
	}
	return d, ""
}

// Unasked are the hosts that are left out without anybody's wish, and why.
func (h *Hosts) Unasked() map[string]string {
	list := maps.Clone(h.Skipped)
	maps.DeleteFunc(list, func(_, why string) bool { return strings.HasPrefix(why, release.Cordoned) })
	return list
}
