package operate

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/release/operation"
)

func TestACommandLineIsSplitOrLeftToTheContainersShell(t *testing.T) {
	for _, tt := range []struct{ args, want []string }{
		{[]string{"bin/rails db:version"}, []string{"bin/rails", "db:version"}},
		{[]string{`bin/rails runner 'puts "a b"'`}, []string{"bin/rails", "runner", `puts "a b"`}},
		{[]string{`echo 'a | b'`}, []string{"echo", "a | b"}},
		{[]string{"a b", "c|d"}, []string{"a b", "c|d"}},
		{[]string{"ls *.log | wc -l"}, []string{"sh", "-c", "ls *.log | wc -l"}},
		{[]string{`pg_dump "$DATABASE_URL"`}, []string{"sh", "-c", `pg_dump "$DATABASE_URL"`}},
		{[]string{`echo \$HOME`}, []string{"echo", "$HOME"}},
	} {
		if got, err := argv(tt.args); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, %v", tt.args, got, err)
		}
	}
	for _, bad := range []string{`echo "a`, " "} {
		if got, err := argv([]string{bad}); err == nil {
			t.Errorf("%q is %q", bad, got)
		}
	}
}

func TestVariablesAreWrittenOurWayOrKamals(t *testing.T) {
	got, err := variables([]string{"A=b=c", "URL:http://x", "EMPTY="})
	if want := map[string]string{"A": "b=c", "URL": "http://x", "EMPTY": ""}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := variables([]string{"nothing"}); err == nil {
		t.Error("a name alone is taken")
	}
}

func printed(t *testing.T, raw bool, told ...operation.Told) (out, errs string, err error) {
	t.Helper()
	cmd := &cobra.Command{}
	var o, e bytes.Buffer
	cmd.SetOut(&o)
	cmd.SetErr(&e)
	cmd.SetContext(t.Context())
	p := newPrinter(cmd, false)
	p.raw = raw
	for _, one := range told {
		if err := p.tell(one); err != nil {
			t.Fatal(err)
		}
	}
	err = p.end(cmd, nil)
	return o.String(), e.String(), err
}

func TestOutputOfOnePlaceIsBareAndOfSeveralHasItsPlace(t *testing.T) {
	one, two := operation.Source{Host: "a", Role: "web"}, operation.Source{Host: "b", Role: "web"}
	code := 3
	told := []operation.Told{
		{Source: one, Out: []byte("x\ny")}, {Source: two, Out: []byte("1\n2\n")}, {Source: one, Out: []byte("z\n")},
		{Source: one, Err: []byte("no end")}, {Source: one, Exit: new(int)}, {Source: two, Exit: &code},
	}
	out, errs, err := printed(t, false, append([]operation.Told{{Places: 2}}, told...)...)
	if out != "a web | x\nb web | 1\nb web | 2\na web | yz\n" || !strings.Contains(errs, "a web | no end\n") || !strings.Contains(errs, "b web: exit status 3") || err == nil || err.Error() != "exit status 3" {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
	if out, errs, _ = printed(t, false, told...); out != "x\ny1\n2\nz\n" || errs != "no end" {
		t.Errorf("of one place: %q, %q", out, errs)
	}
	if out, _, _ = printed(t, true, append([]operation.Told{{Places: 2}}, told...)...); out != "x\ny1\n2\nz\n" {
		t.Errorf("raw: %q", out)
	}
}

func TestWhatIsFoundIsATableByHostAndRole(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	c := &operation.Container{Version: "v1", Image: "shop:v1", State: "running", Running: true, Started: at}
	out, _, err := printed(t, false,
		operation.Told{Source: operation.Source{Host: "b", Role: "web", Name: "shop-web-v1"}, Container: c},
		operation.Told{Source: operation.Source{Host: "a", Role: "web", Name: "evil\x1b[2J"}, Container: c})
	lines := strings.Split(out, "\n")
	if err != nil || len(lines) != 4 || !strings.HasPrefix(lines[1], "a     web") || !strings.Contains(lines[2], "2026-11-23 10:00 UTC") || strings.Contains(out, "\x1b") {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the reference shows must be what deploy.yml takes.
func TestEverySectionOfTheReferenceIsADeployFileThatLoads(t *testing.T) {
	base := map[string]string{
		"service": "service: shop\n", "image": "image: acme/shop\n", "servers": "servers: [192.0.2.1]\n", "registry": "registry: { username: u, password: [P] }\n",
	}
	for _, s := range sections(reference) {
		text := s.text
		switch s.name {
		case "secrets":
			text = "secrets_path: .kamal/secrets\n"
		case "servers":
			text = text[strings.LastIndex(text, "servers:"):] // two ways to write one key
		}
		file := text
		for key, line := range base {
			if !strings.HasPrefix(text, key+":") && !strings.Contains(text, "\n"+key+":") {
				file += line
			}
		}
		if !strings.Contains(file, "builder:") {
			file += "builder: { arch: amd64 }\n"
		}
		if s.name == "x-fairlead" {
			file = strings.Replace(file, "servers: [192.0.2.1]", "servers: { web: [192.0.2.1], worker: [192.0.2.2] }", 1)
		}
		if s.name == "service" {
			file = strings.Replace(file, "require_destination: true", "require_destination: false", 1)
		}
		if _, _, err := spec.Load(fstest.MapFS{"config/deploy.yml": {Data: []byte(file)}}, spec.Options{}); err != nil {
			t.Errorf("%s: %v\n%s", s.name, err, file)
		}
	}
}

func TestAnImageWithoutADateHasNone(t *testing.T) {
	out, _, err := printed(t, false, operation.Told{Source: operation.Source{Host: "a"}, Image: &operation.Image{Tags: []string{"acme/shop:v1"}, Size: 5000}})
	if err != nil || !strings.Contains(out, "acme/shop:v1  5kB") || strings.Contains(out, "0001") || !strings.Contains(out, "  -  ") {
		t.Errorf("it prints %v\n%s", err, out)
	}
}
