package accessory_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const file = `
service: shop
image: acme/shop:v1
servers: [h1]
proxy: {host: shop.example.com}
accessories:
  db:
    image: postgres:15
    host: h9
    port: 127.0.0.1:5432:5432
    cmd: postgres -c shared_buffers=1GB
    env: {clear: {POSTGRES_DB: shop}, secret: [POSTGRES_PASSWORD]}
    directories: [data:/var/lib/postgresql/data]
    volumes: ["wal:/wal", "certs/db:/certs:ro"]
    files:
      - {local: config/my.conf.erb, remote: /etc/my.conf, mode: "0600", owner: "999:999"}
    options: {memory: 1g}
  admin:
    image: registry.example.com/acme/admin@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    hosts: [h1, h9]
    proxy: {host: admin.example.com, app_port: 8080}
`

func inputs() accessory.Inputs {
	return accessory.Inputs{
		Release: "r1", Revision: strings.Repeat("a", 40),
		Secrets: map[string]secret.Value{"POSTGRES_PASSWORD": secret.New("hunter2")},
		Home:    map[string]string{"h1": "/root", "h9": "/home/deploy"},
		Files:   fstest.MapFS{"config/my.conf.erb": {Data: []byte("db = <%= ENV['POSTGRES_DB'] %>\n# <%# nothing %>\n")}},
	}
}

func load(t *testing.T, text string) *spec.Deploy {
	t.Helper()
	d, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(text)}}, spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func want(t *testing.T, text string) []accessory.Unit {
	t.Helper()
	units, err := accessory.Want(load(t, text), inputs())
	if err != nil {
		t.Fatal(err)
	}
	return units
}

// ran is a unit's container as its host shows it, by somebody else's hand where
// it has no release.
func ran(u accessory.Unit, change func(*container.Observed)) container.Observed {
	s := u.Spec
	s.Labels = map[string]string{"service": u.Name}
	s.Env = map[string]secret.Value{}
	for k, v := range u.Spec.Env {
		if k != "KAMAL_HOST" {
			s.Env[k] = v
		}
	}
	c := container.Observed{ID: strings.Repeat("c", 64), Name: u.Name, Spec: s, State: container.State{Status: container.Running}}
	if change != nil {
		change(&c)
	}
	return c
}

func TestWhatAnAccessoryIsIsWhatKamalMakesOfIt(t *testing.T) {
	units := want(t, file)
	if len(units) != 3 {
		t.Fatalf("%d units", len(units))
	}
	u := units[0]
	if u.Host != "h9" || u.Name != "shop-db" || u.Spec.Labels["service"] != "shop-db" || u.Spec.Network != "kamal" || u.Spec.Image != "postgres:15" ||
		u.Spec.Restart.Policy != "unless-stopped" || u.Spec.Resources.Memory != 1<<30 || u.Spec.Env["KAMAL_HOST"].Reveal() != "h9" {
		t.Errorf("%+v", u.Spec)
	}
	var mounts []string
	for _, m := range u.Spec.Mounts {
		mounts = append(mounts, strings.TrimSuffix(m.Source+":"+m.Target+":"+map[bool]string{true: "ro"}[m.ReadOnly], ":"))
	}
	if got := strings.Join(mounts, " "); got != "wal:/wal /home/deploy/certs/db:/certs:ro /home/deploy/shop-db/etc/my.conf:/etc/my.conf /home/deploy/shop-db/data:/var/lib/postgresql/data" {
		t.Errorf("mounts %s", got)
	}
	if f := u.Mounted[0]; f.Path != "shop-db/etc/my.conf" || f.Mode != fs.FileMode(0o600) || f.Owner != "999:999" || f.Content.Reveal() != "db = shop\n# \n" {
		t.Errorf("file %+v, %q", f, f.Content.Reveal())
	}
	if f := u.Mounted[1]; f.Path != "shop-db/data" || !f.Folder {
		t.Errorf("folder %+v", f)
	}
	if u.Image != (plan.Image{Name: "postgres", Version: "15"}) || units[1].Image.Version != "0123456789ab" || !strings.HasPrefix(units[1].Image.Digest, "sha256:0123") {
		t.Errorf("images %+v, %+v", u.Image, units[1].Image)
	}
	if r := units[1].Route; r == nil || r.Service != "shop-admin" || r.Port != 8080 {
		t.Errorf("route %+v", r)
	}
}

func TestAMissingSecretAndAMissingFileAreNamedTogether(t *testing.T) {
	in := inputs()
	in.Secrets, in.Files = nil, fstest.MapFS{}
	_, err := accessory.Want(load(t, file+"  cache: {image: redis, host: h1, files: ['config/gone:/gone']}\n"), in)
	if err == nil || !strings.Contains(err.Error(), "POSTGRES_PASSWORD is missing") || !strings.Contains(err.Error(), "config/gone") {
		t.Error(err)
	}
}

func TestWhatIsDoneAboutAnAccessoryAndWhy(t *testing.T) {
	u := want(t, file)[0]
	image := func(c *container.Observed) { c.Spec.Image = "postgres:14" }
	ours := func(release string) func(c *container.Observed) {
		return func(c *container.Observed) { c.Spec.Labels[plan.LabelRelease] = release }
	}
	status := func(s container.Status) func(c *container.Observed) {
		return func(c *container.Observed) { c.State.Status = s }
	}
	nameless := func(c *container.Observed) { c.Image.Defaults.Volumes = []string{"/other"} }
	all := func(changes ...func(c *container.Observed)) *container.Observed {
		c := ran(u, func(c *container.Observed) {
			for _, change := range changes {
				change(c)
			}
		})
		return &c
	}
	former := *all(func(c *container.Observed) {
		c.Name, c.ID = "shop-db_replaced_dddddddddddddddd", strings.Repeat("d", 64)
	})
	spent := former
	spent.ID, spent.State.Status = strings.Repeat("d", 64), container.Exited
	keeps := spent
	keeps.Image.Defaults.Volumes = []string{"/other"}
	fresh := map[string]bool{"r1": true}
	for name, c := range map[string]struct {
		have   *container.Observed
		former []container.Observed
		terms  accessory.Terms
		do     accessory.Action
		why    string
	}{
		"there is none":                                 {do: accessory.Boot, why: "there is none"},
		"none, but one that gave its name away":         {former: []container.Observed{former}, do: accessory.Boot},
		"Kamal's, as wanted":                            {have: all()},
		"Kamal's, as wanted, and all is allowed":        {have: all(), terms: accessory.Terms{Replace: true}},
		"ours, as wanted":                               {have: all(ours("r0"))},
		"another image":                                 {have: all(image), why: "differs: image postgres:14 → postgres:15; it stays until"},
		"another image, allowed":                        {have: all(image), terms: accessory.Terms{Replace: true}, do: accessory.Replace, why: "image postgres:14 → postgres:15"},
		"a secret, unseen":                              {have: all(func(c *container.Observed) { c.Spec.Env["POSTGRES_PASSWORD"] = secret.New("hunter1") }), why: "differs: env.POSTGRES_PASSWORD " + secret.Redacted},
		"its data would stay behind":                    {have: all(image, nameless), terms: accessory.Terms{Replace: true}, why: "a volume without a name"},
		"its data stays behind as a person asked":       {have: all(image, nameless), terms: accessory.Terms{Renew: true, Replace: true}, do: accessory.Replace},
		"a person's reboot":                             {have: all(), terms: accessory.Terms{Renew: true}, do: accessory.Replace, why: "asked for"},
		"stopped":                                       {have: all(status(container.Exited)), why: "is stopped, and stays so"},
		"stopped, and a person's boot":                  {have: all(status(container.Exited)), terms: accessory.Terms{Start: true}, do: accessory.Start},
		"stopped and another":                           {have: all(image, status(container.Exited)), why: "differs"},
		"made and never started":                        {have: all(status(container.Created)), do: accessory.Start},
		"made and never started, and differs":           {have: all(image, status(container.Created)), do: accessory.Replace, why: "it never worked"},
		"keeps ending, of this release":                 {have: all(ours("r1"), status(container.Restarting)), terms: accessory.Terms{Unproven: fresh}, do: accessory.Await},
		"keeps ending, and was mended in Git":           {have: all(image, ours("r1"), status(container.Restarting)), terms: accessory.Terms{Unproven: fresh}, do: accessory.Replace},
		"was just started again, and was mended in Git": {have: all(image, ours("r1"), func(c *container.Observed) { c.State.RestartCount = 2 }), terms: accessory.Terms{Unproven: fresh}, do: accessory.Replace},
		"was just started again, of long ago":           {have: all(image, ours("r0"), func(c *container.Observed) { c.State.RestartCount = 2 }), terms: accessory.Terms{Unproven: fresh}, why: "differs"},
		"keeps ending, of long ago":                     {have: all(ours("r0"), status(container.Restarting)), terms: accessory.Terms{Unproven: fresh}},
		"runs, of this release":                         {have: all(ours("r1")), terms: accessory.Terms{Unproven: fresh}, do: accessory.Await},
		"what it took the place of is still there":      {have: all(ours("r1"), func(c *container.Observed) { c.State.Health = container.Healthy }), former: []container.Observed{spent}, terms: accessory.Terms{Unproven: fresh}, do: accessory.Await, why: "still there"},
		"and it has data of its own":                    {have: all(ours("r1"), func(c *container.Observed) { c.State.Health = container.Healthy }), former: []container.Observed{keeps}, terms: accessory.Terms{Unproven: fresh}},
		"one that gave its name away runs beside it":    {have: all(status(container.Created)), former: []container.Observed{former}, do: accessory.Start},
		"one that gave its name away runs, and it too":  {have: all(), former: []container.Observed{former}, do: accessory.Await},
	} {
		h := plan.Host{Beside: c.former}
		if c.have != nil {
			h.Beside = append(h.Beside, *c.have)
		}
		d := accessory.Decide(u, h, c.terms)
		if d.Action != c.do || !strings.Contains(d.Why, c.why) || (c.do == accessory.Keep) != (len(accessory.Make([]accessory.Unit{u}, plan.Observed{Hosts: map[string]plan.Host{"h9": h}}, c.terms).Stages) == 0) {
			t.Errorf("%s: %q, because %q", name, d.Action, d.Why)
		}
		if strings.Contains(d.Why, "hunter") {
			t.Errorf("%s: %s", name, d.Why)
		}
	}
}

func steps(t *testing.T, u accessory.Unit, terms accessory.Terms, beside ...container.Observed) string {
	t.Helper()
	p := accessory.Make([]accessory.Unit{u}, plan.Observed{Hosts: map[string]plan.Host{u.Host: {Beside: beside}}}, terms)
	if len(p.Stages) != 1 {
		t.Fatalf("%d stages", len(p.Stages))
	}
	var words []string
	for _, s := range p.Stages[0].Steps[u.Host] {
		words = append(words, s.String())
	}
	return strings.Join(words, ", ")
}

func TestNothingStartsOnDataThatAnotherStillHas(t *testing.T) {
	u := want(t, file)[0]
	old := ran(u, func(c *container.Observed) { c.Spec.Image = "postgres:14" })
	former := ran(u, func(c *container.Observed) { c.Name, c.ID = "shop-db_replaced_d", strings.Repeat("d", 64) })
	spent := former
	spent.Name, spent.State.Status = "shop-db_replaced_dddddddddddddddd", container.Exited
	for _, c := range []struct{ name, got, want string }{
		{"boot", steps(t, u, accessory.Terms{}),
			"make network kamal, pull postgres:15, put 2 files, create shop-db, start shop-db, await health of shop-db"},
		{"replace", steps(t, u, accessory.Terms{Replace: true}, old),
			"make network kamal, pull postgres:15, put 2 files, create shop-db, stop shop-db, start shop-db, await health of shop-db, prune 1 container"},
		{"one that keeps ending gives its name away when it has been stopped", steps(t, u, accessory.Terms{Replace: true},
			ran(u, func(c *container.Observed) { c.Spec.Image, c.State.Status = "postgres:14", container.Restarting })),
			"stop shop-db, make network kamal, pull postgres:15, put 2 files, create shop-db, stop shop-db, start shop-db, await health of shop-db, prune 1 container"},
		{"after a crash between the name and the new one", steps(t, u, accessory.Terms{}, former),
			"make network kamal, pull postgres:15, put 2 files, create shop-db, stop shop-db_replaced_d, start shop-db, await health of shop-db, prune 1 container"},
		{"after a crash before the start", steps(t, u, accessory.Terms{}, former, ran(u, func(c *container.Observed) { c.State.Status = container.Created })),
			"stop shop-db_replaced_d, start shop-db, await health of shop-db, prune 1 container"},
		{"after a crash before the old one was removed", steps(t, u, accessory.Terms{Start: true}, spent, ran(u, nil)),
			"await health of shop-db, prune 1 container"},
		{"what has data of its own is not removed", steps(t, u, accessory.Terms{Renew: true}, ran(u, func(c *container.Observed) { c.Image.Defaults.Volumes = []string{"/other"} })),
			"make network kamal, pull postgres:15, put 2 files, create shop-db, stop shop-db, start shop-db, await health of shop-db"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, c.got, c.want)
		}
	}
}

func TestAnAccessoryBehindTheProxyGetsItsRouteOnce(t *testing.T) {
	u := want(t, file)[1]
	have := ran(u, nil)
	h := plan.Host{Beside: []container.Observed{have}}
	if d := accessory.Decide(u, h, accessory.Terms{}); d.Action != accessory.Serve {
		t.Errorf("without a route: %q", d.Action)
	}
	if got := steps(t, u, accessory.Terms{}, have); got != "make network kamal, boot proxy, switch shop-admin to shop-admin" {
		t.Error(got)
	}
	h.Routes = []plan.Live{{Service: "shop-admin", Target: have.ID[:12] + ":8080", Route: u.Route}}
	if d := accessory.Decide(u, h, accessory.Terms{}); d.Action != accessory.Keep {
		t.Errorf("with its route: %q, %s", d.Action, d.Why)
	}
	other := *u.Route
	other.Hosts = []string{"other.example.com"}
	h.Routes[0].Route = &other
	if d := accessory.Decide(u, h, accessory.Terms{}); d.Action != accessory.Serve {
		t.Errorf("with another route: %q", d.Action)
	}
}

func TestUnderTheLocksOnlyHostsAreTouchedThatWereNamedBefore(t *testing.T) {
	d := load(t, file)
	units, err := accessory.Want(d, inputs())
	if err != nil {
		t.Fatal(err)
	}
	c := accessory.Crew{Units: units}
	db, admin := ran(units[0], nil), ran(units[2], nil)
	route := plan.Live{Service: "shop-admin", Target: admin.ID[:12], Route: units[2].Route}
	well := plan.Host{Beside: []container.Observed{db, admin}, Routes: []plan.Live{route}}
	o := plan.Observed{Hosts: map[string]plan.Host{"h1": {}, "h9": well}}
	if p := c.Before(plan.Plan{}, o, accessory.Terms{}); len(p.Stages) != 1 || strings.Join(c.Touched, " ") != "h1" {
		t.Fatalf("%d stages, touched %v", len(p.Stages), c.Touched)
	}
	o.Hosts["h9"] = plan.Host{} // the database is gone since
	if p := c.Before(plan.Plan{}, o, accessory.Terms{}); len(p.Stages) != 1 || p.Stages[0].Steps["h9"] != nil {
		t.Errorf("%+v", p.Stages)
	}
	if p := c.Before(plan.Plan{Refused: "no"}, o, accessory.Terms{}); len(p.Stages) != 0 {
		t.Error("a plan that was refused has stages")
	}
}

func TestADatabaseIsGivenTime(t *testing.T) {
	u := want(t, file)[0]
	if u.Health.Deadline < time.Minute || u.StopTimeout < 30*time.Second {
		t.Errorf("%s to be healthy, %s to stop", u.Health.Deadline, u.StopTimeout)
	}
	if u := want(t, strings.Replace(file, "memory: 1g", "memory: 1g, stop-timeout: 120", 1))[0]; u.StopTimeout != 2*time.Minute {
		t.Error(u.StopTimeout)
	}
}

func TestWhatARollbackSucceededWithIsNoProofOfAnAccessory(t *testing.T) {
	of := func(id string, status release.Status, kind release.CauseKind, only string) release.Release {
		return release.Release{ID: release.ID(id), Status: status, Cause: release.Cause{Kind: kind}, Only: only}
	}
	got := accessory.Unproven("r9", []release.Release{
		of("r9", release.Succeeded, release.CausePush, ""), of("r8", release.Failed, release.CausePush, ""),
		of("r7", release.Succeeded, release.CauseManual, ""), of("r6", release.Succeeded, release.CausePush, "web"),
		of("r5", release.RolledBack, release.CausePush, ""), of("r4", release.Succeeded, release.CauseReconcile, ""), of("r3", release.Failed, release.CausePush, ""),
	})
	for id, want := range map[string]bool{"r9": true, "r8": true, "r7": false, "r6": false, "r5": true, "r4": false, "r3": false, "": false} {
		if got[id] != want {
			t.Errorf("%s: %v", id, got[id])
		}
	}
}
