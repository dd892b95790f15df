package accessory_test

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-deploy/fairlead/deployer/accessory"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/plan"
	"github.com/fairlead-deploy/fairlead/internal/secret"
)

// booted is a unit's container as Fairlead itself made it.
func booted(u accessory.Unit) container.Observed {
	c := container.Observed{ID: strings.Repeat("c", 64), Name: u.Name, Spec: u.Spec, State: container.State{Status: container.Running}}
	c.Spec.Labels = maps.Clone(u.Spec.Labels)
	return c
}

func TestAFileThatAloneChangedIsADifference(t *testing.T) {
	const data = "data:/var/lib/postgresql/data"
	was := booted(want(t, file)[0])
	for name, c := range map[string]struct {
		edit    func(text string, in *accessory.Inputs) string
		why     string
		replace bool
	}{
		"nothing": {func(text string, _ *accessory.Inputs) string { return text }, "", false},
		"its content": {func(text string, in *accessory.Inputs) string {
			in.Files = fstest.MapFS{"config/my.conf.erb": {Data: []byte("other")}}
			return text
		}, "file /etc/my.conf changed old content → new content", true},
		"a secret in it": {func(text string, in *accessory.Inputs) string {
			in.Files = fstest.MapFS{"config/my.conf.erb": {Data: []byte("<%= ENV['POSTGRES_PASSWORD'] %>")}}
			return text
		}, "file /etc/my.conf changed old content → new content", true},
		"its mode": {func(text string, _ *accessory.Inputs) string {
			return strings.Replace(text, `mode: "0600"`, `mode: "0640"`, 1)
		}, "file /etc/my.conf changed 0600 999:999 → 0640 999:999", true},
		"its owner": {func(text string, _ *accessory.Inputs) string {
			return strings.Replace(text, "999:999", "70:70", 1)
		}, "file /etc/my.conf changed 0600 999:999 → 0600 70:70", true},
		"a folder's mode": {func(text string, _ *accessory.Inputs) string {
			return strings.Replace(text, data, "{local: data, remote: /var/lib/postgresql/data, mode: \"0700\"}", 1)
		}, "folder /var/lib/postgresql/data changed no mode, no owner → 0700;", true},
	} {
		in := inputs()
		text := c.edit(file, &in)
		units, err := accessory.Want(load(t, text), in)
		if err != nil {
			t.Fatal(name, err)
		}
		u := units[0]
		h := plan.Host{Beside: []container.Observed{was}}
		d := accessory.Decide(u, h, accessory.Terms{})
		if d.Action != accessory.Keep || !strings.Contains(d.Why, c.why) || (d.Why == "") != (c.why == "") {
			t.Errorf("%s: %q, because %q", name, d.Action, d.Why)
		}
		d = accessory.Decide(u, h, accessory.Terms{Replace: true})
		if (d.Action == accessory.Replace) != c.replace || strings.Contains(d.Why, "hunter") {
			t.Errorf("%s, where that is allowed: %q, because %q", name, d.Action, d.Why)
		}
		// One of Kamal's, or of a Fairlead that did not write it down.
		h.Beside[0] = ran(u, func(c *container.Observed) { c.Spec.Env["KAMAL_HOST"] = secret.New("h9") })
		if d := accessory.Decide(u, h, accessory.Terms{Replace: true}); d.Action != accessory.Keep || d.Why != "" {
			t.Errorf("%s, and nobody knows what it was: %q, because %q", name, d.Action, d.Why)
		}
	}
	for key, value := range was.Spec.Labels {
		if strings.Contains(key, "/etc/my.conf") && (strings.Contains(value, "shop") || len(strings.Fields(value)) != 3) {
			t.Errorf("label %s is %q", key, value)
		}
	}
}
