package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestACommandIsAnsweredOncePerRoleAndOneForTheServerOncePerHost(t *testing.T) {
	t.Parallel()
	s := begin(t, "roles")
	s.image("v1", nil)
	s.start()
	s.ends(s.push(s.withWorker("v1", "").with("boot", "{ parallel_roles: true }").with("x-fairlead", "{ window: 1s }")), release.Succeeded)
	s.runs(s.service+"-web-v1", s.service+"-worker-v1")

	one, two := s.hosts[0].Addr, s.hosts[1].Addr
	for _, c := range []struct {
		args []string
		want []string // the prefixes of the lines that say it
		says string
	}{
		{[]string{"app", "exec", "--reuse", "/app cat /etc/hostname"}, []string{one + " web", one + " worker", two + " web", two + " worker"}, " | "},
		{[]string{"app", "exec", "-r", "worker", "-e", "EXIT=3", "now"}, []string{one + " worker", two + " worker"}, "app v1 booting"},
		{[]string{"app", "exec", "-r", "w*", "--hosts", two, "-e", "EXIT=3", "now"}, []string{two + " web", two + " worker"}, "app v1 booting"},
		{[]string{"app", "exec", "--primary", "-e", "EXIT=3", "now"}, []string{one + " web", one + " worker"}, "app v1 booting"},
		{[]string{"app", "logs", "-T"}, []string{one + " web", one + " worker", two + " web", two + " worker"}, "ready"},
		{[]string{"app", "version"}, []string{one, one, two, two}, "v1"},
		{[]string{"server", "exec", "echo hello"}, []string{one, two}, "| hello"},
		{[]string{"registry", "login"}, []string{one, two}, "takes the account"},
		{[]string{"lock", "status"}, []string{one, two}, "not locked"},
	} {
		out, _ := s.types(c.args...)
		var got []string
		for line := range strings.Lines(out) {
			if strings.Contains(line, c.says) {
				got = append(got, strings.TrimSpace(line))
			}
		}
		for _, prefix := range c.want {
			n := 0
			for _, line := range got {
				if strings.HasPrefix(line, prefix) {
					n++
				}
			}
			want := strings.Count(strings.Join(c.want, "\n")+"\n", prefix+"\n")
			if n != want {
				t.Errorf("%v: %d lines of %s, want %d:\n%s", c.args, n, prefix, want, out)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%v: %d lines, want %d:\n%s", c.args, len(got), len(c.want), out)
		}
	}
}
