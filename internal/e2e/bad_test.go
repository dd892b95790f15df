package e2e_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestWhatCannotBeDoneIsOneSentenceWithARemedyAndTouchesNothing(t *testing.T) {
	t.Parallel()
	s := begin(t, "bad")
	s.image("v1", nil)
	s.image("v2", nil)
	s.start()
	s.ends(s.push(s.file("v1")), release.Succeeded)
	picture := s.picture()
	otherKey := s.path("other_key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", otherKey).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.write("no_hosts", "")
	ssh := s.operator["ssh"]
	for _, bad := range []struct {
		name    string
		file    string            // deploy.yml; empty: v2's
		secrets string            // what is in the operator's file besides the registry's password
		ssh     string            // in fairlead.yml; empty: as before
		status  release.Status    // of the commit
		says    map[string]string // each word, and why it must be there
	}{
		{
			name: "deploy.yml is no YAML", file: "service: bad\nimage: [oops\n", status: release.Failed,
			says: map[string]string{"config/deploy.yml:": "where", "push": "what to do"},
		},
		{
			name: "deploy.yml has a misspelt key", file: "# What runs where\n" + s.file("v2").String() + "servres: [a]\n", status: release.Failed,
			says: map[string]string{"servres": "which", "config/deploy.yml:10:1": "where", `servers`: "what was meant"},
		},
		{
			name: "a secret is missing", file: s.file("v2").with("env", "{ secret: [NOWHERE] }").String(), status: release.Waiting,
			says: map[string]string{"NOWHERE": "which", "fairlead secret set NOWHERE": "what to do"},
		},
		{
			name: "the image is absent", file: s.file("v0").String(), status: release.Waiting,
			says: map[string]string{"bad:v0": "which", "push": "what to do"},
		},
		{
			name: "the registry refuses the login", secrets: "REGISTRY_PASSWORD=wrong-one\n", status: release.Waiting,
			says: map[string]string{shared.fleet.Registry: "which", "registry.password": "what to do"},
		},
		{
			name: "a host is not known", ssh: strings.Replace(ssh, shared.fleet.KnownHosts, s.path("no_hosts"), 1), status: release.Waiting,
			says: map[string]string{s.hosts[0].Addr: "which", "fairlead host trust": "what to do"},
		},
		{
			name: "the key opens nothing", ssh: strings.Replace(ssh, shared.fleet.Key, otherKey, 1), status: release.Waiting,
			says: map[string]string{s.hosts[0].Addr: "which", "authorized_keys": "what to do"},
		},
	} {
		t.Run(bad.name, func(t *testing.T) {
			s := s.in(t)
			if bad.secrets != "" {
				s.write("secrets", bad.secrets)
			}
			if bad.ssh != "" {
				s.do(s.daemon.Stop())
				s.operator["ssh"] = bad.ssh
				s.start()
			}
			text := bad.file
			if text == "" {
				text = s.file("v2").String()
			}
			sha := s.pushFiles(map[string]string{"config/deploy.yml": text})
			ev := s.told(sha, release.Waiting, release.Succeeded, release.RolledBack, release.Failed, release.NeedsHuman, release.Unchanged)
			if ev.Release.Status != bad.status {
				t.Fatalf("it is %s", shown(ev))
			}
			said := ev.Message
			if f := ev.Release.Failure; f != nil {
				said += " | " + f.Message + " | " + f.Next
			}
			t.Log(said)
			for word, why := range bad.says {
				if !strings.Contains(said, word) {
					t.Errorf("%q does not say %s: %q", said, why, word)
				}
			}
			line := s.logged("revision=" + ev.Release.Revision.Short() + " status=" + string(bad.status))
			for word, why := range bad.says {
				if !strings.Contains(line, word) {
					t.Errorf("the log does not say %s: %s", why, line)
				}
			}
			if now := s.picture(); now != picture {
				t.Errorf("it was\n%s\nand is\n%s", picture, now)
			}
			s.answers("v1")
			if bad.ssh != "" {
				s.do(s.daemon.Stop())
				s.operator["ssh"] = ssh
			}
			mended := s.push(s.file("v1"))
			if bad.secrets != "" { // no try of the commit before shall meet the right password
				s.told(mended, release.Waiting)
				s.write("secrets", "REGISTRY_PASSWORD="+registryPassword+"\n")
			}
			if bad.ssh != "" {
				s.start()
			}
			s.ends(mended, release.Unchanged)
		})
	}
}

// logged is the first line of the daemon's log that holds a text.
func (s *scenario) logged(text string) string {
	s.Helper()
	log, err := os.ReadFile(s.daemon.Log)
	s.do(err)
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, text) {
			return line
		}
	}
	s.Errorf("no line of the log holds %q", text)
	return ""
}
