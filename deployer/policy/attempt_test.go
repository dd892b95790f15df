package policy_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer"
	"github.com/fairlead-deploy/fairlead/deployer/fleettest"
	"github.com/fairlead-deploy/fairlead/deployer/policy"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// settled is longer than any rollout of this test.
const settled = 20 * time.Minute

func TestARefusedFileEndsItsReleaseAndWhatRunsIsUntouched(t *testing.T) {
	for mode, want := range map[policy.Mode]struct {
		status  release.Status
		version string
	}{
		policy.Strict: {release.Failed, "v1"},
		policy.Kamal:  {release.Succeeded, "v2"},
	} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := fleettest.New(1, "h1", "h2")
				d := deployerWith(t, w, policy.Policy{Mode: mode})
				push(t, d, "1", "")
				push(t, d, "2", "volumes: ['/var/run/docker.sock:/d']\n")
				for _, name := range w.Hosts() {
					if got := w.Host(name).Serving("shop-web"); got != want.version {
						t.Errorf("%s serves %q; want %q", name, got, want.version)
					}
				}
				r := w.Memory.Last()
				if r.Status != want.status {
					t.Fatalf("the release is %s (%s)", r.Status, r.Reason)
				}
				if f := r.Failure; mode == policy.Strict && (f == nil || f.Class != release.Verdict ||
					!strings.HasPrefix(f.Message, "config/deploy.yml:5:11: volumes[0]: ") || !strings.Contains(f.Message, "`allow: [socket]`")) {
					t.Errorf("the failure is %+v", f)
				}
			})
		})
	}
}

// deployerWith runs a deployer on the world until the test ends.
func deployerWith(t *testing.T, w *fleettest.World, p policy.Policy) *deployer.Deployer {
	for _, v := range []string{"v1", "v2"} {
		w.Push("acme/shop:"+v, fleettest.App{Boot: time.Second})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := func() { cancel(errors.New("the test ends")) }
	process := w.Start("installation", w.Memory, stop)
	d := deployer.New(deployer.Options{
		Memory: process.Hand(), Fleet: process, Registry: process, Owner: "installation",
		Settings: func(string) (deployer.Settings, bool) {
			return deployer.Settings{Policy: p, Secrets: func(context.Context, fs.FS, string, string) (secret.Source, error) { return nil, nil }}, true
		},
		Rand: rand.New(rand.NewPCG(1, 1)), Log: slog.New(slog.DiscardHandler),
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return d
}

// push submits a commit whose image is vN, and lets it settle.
func push(t *testing.T, d *deployer.Deployer, n, more string) {
	t.Helper()
	files := fstest.MapFS{"config/deploy.yml": {Data: []byte(
		"service: shop\nimage: acme/shop:v" + n + "\nservers: [h1, h2]\nproxy: {host: shop.example.com}\n" + more)}}
	req := release.Request{
		Revision: release.Revision{Repo: "shop", Ref: "refs/heads/main", SHA: n + strings.Repeat("0", 39)},
		Cause:    release.Cause{Kind: release.CausePush},
	}
	if err := d.Submit(t.Context(), req, files); err != nil {
		t.Fatal(err)
	}
	time.Sleep(settled)
	synctest.Wait()
}
