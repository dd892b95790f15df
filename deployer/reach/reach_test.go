package reach_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/reach"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

func load(t *testing.T, file string) *spec.Deploy {
	t.Helper()
	d, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(file)}}, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// counted is a fleet whose hosts take a second each, and how many of them were
// connected to at once.
type counted struct{ now, most, all atomic.Int64 }

func (c *counted) Server(_ context.Context, at reach.Address) (reach.Server, error) {
	for n := c.now.Add(1); ; {
		if most := c.most.Load(); n <= most || c.most.CompareAndSwap(most, n) {
			break
		}
	}
	c.all.Add(1)
	time.Sleep(time.Second)
	c.now.Add(-1)
	return reach.Server{Home: "/home/" + at.Name}, nil
}

func TestSoManyHostsAreConnectedToAtOnceAsSSHKitSays(t *testing.T) {
	hosts := "service: app\nimage: a/b\nservers: [h1, h2, h3, h4, h5, h6, h7, h8, h9]\n"
	for more, want := range map[string]int64{"": 9, "sshkit: {max_concurrent_starts: 2}\n": 2, "sshkit: {max_concurrent_starts: 100}\n": 9, "sshkit: {dns_retries: 3}\n": 9} {
		synctest.Test(t, func(t *testing.T) {
			fleet := &counted{}
			h, err := reach.Connect(t.Context(), fleet, reach.Terms{Deploy: load(t, hosts+more)})
			if err != nil || len(h.Servers) != 9 || fleet.all.Load() != 9 || fleet.most.Load() != want {
				t.Errorf("%q: %d servers, %d at once; want %d; %v", more, len(h.Servers), fleet.most.Load(), want, err)
			}
		})
	}
}

// broken is a fleet with a fault in it.
type broken struct{}

func (broken) Server(context.Context, reach.Address) (reach.Server, error) { panic("a fault") }

func TestAFaultAtOneHostKeepsNoOtherWaitingForItsPlace(t *testing.T) {
	d := load(t, "service: app\nimage: a/b\nservers: [h1, h2, h3]\nsshkit: {max_concurrent_starts: 1}\n")
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("the fault is not told")
			}
		}()
		_, _ = reach.Connect(t.Context(), broken{}, reach.Terms{Deploy: d})
	})
}

// heard is a fleet that keeps what it was asked for, and gives nothing.
type heard map[string]reach.Address

func (h heard) Server(_ context.Context, at reach.Address) (reach.Server, error) {
	h[at.Name] = at
	return reach.Server{}, errors.New("no server")
}

func TestEachHostIsReachedAsDeployYMLSaysOfIt(t *testing.T) {
	d := load(t, `service: app
image: a/b
servers: {web: ["ana@h1:2201"], jobs: [h2]}
accessories: {db: {image: x, host: "root@h3"}, cache: {image: y, host: "ana@h1:2201"}}
ssh: {user: deploy, port: 2222, key_data: [KEY], proxy_command: nc %h %p}
sshkit: {max_concurrent_starts: 1}
`)
	for _, words := range [][]string{nil, {"proxy_command"}} {
		asked := heard{}
		_, err := reach.Connect(t.Context(), asked, reach.Terms{
			Deploy: d, Beside: true, Allow: words, Secrets: map[string]secret.Value{"KEY": secret.New("k")},
		})
		if err == nil {
			t.Error("no host, and no error")
		}
		for name, want := range map[string]string{"h1": "ana:2201", "h2": ":0", "h3": "root:0"} {
			at := asked[name]
			if got := fmt.Sprintf("%s:%d", at.User, at.Port); got != want || at.SSH.User != "deploy" || len(at.Keys) != 1 || at.Keys[0].Reveal() != "k" || at.Commands != (words != nil) {
				t.Errorf("%s: %s, %+v", name, got, at)
			}
		}
	}
}
