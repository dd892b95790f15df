package rollout_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/health"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/rollout"
)

// TestAMessageNamesHostAndContainerOnce wraps errors as the layers do.
func TestAMessageNamesHostAndContainerOnce(t *testing.T) {
	away := fmt.Errorf("read web1: list containers on web1: %w: %w", docker.ErrUnavailable,
		&ssh.ConnectError{Host: "web1", Err: fmt.Errorf("%w: no answer within 10s", ssh.ErrUnreachable)})
	silent := fmt.Errorf("read web1: list containers on web1: %w", &docker.TimeoutError{Call: "ping", Host: "web1", After: "10s"})
	unwell := &health.Error{Container: "shop-web-v3", Message: "was not healthy after 30s"}
	for _, c := range []struct {
		err  error
		want string
	}{
		{&reach.UnreachableError{Hosts: []string{"web1"}, Err: away}, "connect to web1: the host cannot be reached: no answer within 10s"},
		{&reach.UnreachableError{Hosts: []string{"web1", "web2"}, Err: silent}, "ping: no answer from the engine on web1 within 10s (and 1 more host)"},
		{&rollout.StepError{Host: "web1", Step: "start shop-web-v3", Err: away}, "web1: start shop-web-v3: the host cannot be reached: no answer within 10s"},
		{&rollout.StepError{Host: "web1", Step: "start shop-web-v3", Err: silent}, "web1: start shop-web-v3: ping: no answer from the engine within 10s"},
		{&rollout.StepError{Host: "web2", Step: "start shop-web-v3", Err: away}, "web2: start shop-web-v3: connect to web1: the host cannot be reached: no answer within 10s"},
		{&rollout.StepError{Host: "web1", Step: "await health of shop-web-v3", Err: unwell}, "web1: await health: shop-web-v3 was not healthy after 30s"},
		{&rollout.StepError{Host: "web1", Step: "watch shop-web-v3", Err: unwell}, "web1: watch: shop-web-v3 was not healthy after 30s"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		step, ok := errors.AsType[*rollout.StepError](c.err)
		if f := rollout.Explain(c.err); ok && f.Error() != step.Error() {
			t.Errorf("a release says %q, the log %q", f.Error(), step.Error())
		}
	}
	f := rollout.Explain(&rollout.StepError{Host: "web1", Step: "reach it", Err: away})
	if want := "check that the host is up and its engine answers; `fairlead host cordon web1` goes on without it; Fairlead tries again by itself"; f.Next != want {
		t.Errorf("to be done: %q, want %q", f.Next, want)
	}
}
