package docker_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
)

// networks are the ids of all networks of a name.
func networks(t *testing.T, name string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", "network", "ls", "-q", "--filter", "name=^"+name+"$").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestOfManyWhoWantANetworkAtOnceOneIsMade(t *testing.T) {
	name := dockertest.ID(t)
	var done sync.WaitGroup
	begin := make(chan struct{})
	for range 8 {
		e := dockertest.Engine(t)
		done.Go(func() {
			<-begin
			if err := e.EnsureNetwork(t.Context(), name); err != nil {
				t.Error(err)
			}
		})
	}
	close(begin)
	done.Wait()
	ids := networks(t, name)
	t.Cleanup(func() { _ = exec.Command("docker", append([]string{"network", "rm"}, ids...)...).Run() })
	if len(ids) != 1 {
		t.Errorf("there are %d networks of one name: %v", len(ids), ids)
	}
}

func TestNetworksOfOneNameBecomeOneAgain(t *testing.T) {
	e, name := dockertest.Engine(t), dockertest.ID(t)
	engine := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", dockertest.Socket)
	}}}
	for range 3 { // without CheckDuplicate, as the SDK does; newer engines refuse the second
		resp, err := engine.Post("http://docker/networks/create", "application/json", strings.NewReader(fmt.Sprintf(`{"Name":%q}`, name)))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if err := e.EnsureNetwork(t.Context(), name); err != nil {
		t.Error(err)
	}
	ids := networks(t, name)
	t.Cleanup(func() { _ = exec.Command("docker", append([]string{"network", "rm"}, ids...)...).Run() })
	if len(ids) != 1 {
		t.Errorf("there are %d networks of one name: %v", len(ids), ids)
	}
}
