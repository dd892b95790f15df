package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/hosttest"
	"github.com/fairlead-deploy/fairlead/release"
)

// TestNoShellOnAServerReadsWhatDeployYmlSays deploys a file whose values are
// commands to every shell and options to every program: they arrive in the
// container as they are written, and no session of the server ran anything.
func TestNoShellOnAServerReadsWhatDeployYmlSays(t *testing.T) {
	hostile := []string{"$(touch /tmp/x)", "`id`", "; reboot #", "--privileged", "-v /:/host", "a\nrm -rf ~", "'\"\\ $HOME && x", "{}|tee /etc/passwd"}
	f := newFleetOf(t, 1, hosttest.Options{})
	var env, labels strings.Builder
	for i, v := range hostile {
		fmt.Fprintf(&env, "    V%d: %q\n", i, v)
		fmt.Fprintf(&labels, "  v%d: %q\n", i, v)
	}
	f.more = "env:\n  clear:\n" + env.String() + "labels:\n" + labels.String()
	if r, _ := f.push(1); r.Status != release.Succeeded {
		t.Fatalf("the release is %s: %s", r.Status, r.Reason)
	}
	server := f.servers[0]
	made := server.Created(server.Route("shop-web"))
	if made == nil {
		t.Fatal("no container serves")
	}
	for i, v := range hostile {
		if !slices.Contains(made.Env, fmt.Sprintf("V%d=%s", i, v)) || made.Labels[fmt.Sprint("v", i)] != v {
			t.Errorf("%q did not arrive: %q, %q", v, made.Env, made.Labels)
		}
	}
	if ran := server.Commands(); len(ran) > 0 {
		t.Errorf("sessions ran %q", ran)
	}
}
