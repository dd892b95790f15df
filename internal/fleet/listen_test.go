package fleet_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// listensHereOnly checks that what the fleet's containers publish is for this
// machine alone; all else is in a network of their own.
func listensHereOnly(t *testing.T, f *fleet.Fleet) {
	ids := strings.Fields(output(t, "docker", "ps", "-q", "--filter", "label=fairlead.fleet="+f.Run))
	if len(ids) < len(f.Hosts) {
		t.Fatalf("the fleet is %d containers", len(ids))
	}
	const bindings = `{{range $port, $at := .HostConfig.PortBindings}}{{range $at}}{{$.Name}} {{.HostIp}}{{"\n"}}{{end}}{{end}}`
	published := strings.Fields(output(t, "docker", append([]string{"inspect", "--format", bindings}, ids...)...))
	if len(published) == 0 {
		t.Error("not even the registry is published")
	}
	for i := 1; i < len(published); i += 2 {
		if published[i] != "127.0.0.1" {
			t.Errorf("%s listens at %s", published[i-1], published[i])
		}
	}
	if mode := strings.TrimSpace(output(t, "docker", append([]string{"inspect", "--format", "{{.HostConfig.NetworkMode}}"}, ids...)...)); strings.Contains(mode, "host") {
		t.Errorf("their networks are %q", mode)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}
