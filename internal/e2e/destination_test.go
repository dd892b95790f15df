package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTwoDestinationsHaveServersSecretsAndContainersOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := begin(t, "stages")
	s.image("v1", nil)
	p := alone(s)
	base := s.file("v1").with("require_destination", "true").with("x-fairlead", "{ window: 1s }").with("env", "{ secret: [TOKEN] }")
	delete(base, "servers")
	for name, text := range map[string]string{
		"config/deploy.staging.yml":    "servers: [" + s.hosts[0].Addr + "]\n",
		"config/deploy.production.yml": "servers: [" + s.hosts[1].Addr + "]\n",
		".kamal/secrets-common":        "REGISTRY_PASSWORD=$(printf %s " + registryPassword + ")\n",
		".kamal/secrets.staging":       "TOKEN=of-staging\n",
		".kamal/secrets.production":    "TOKEN=of-production\n",
	} {
		s.do(os.MkdirAll(filepath.Join(p.dir, filepath.Dir(name)), 0o700))
		s.do(os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
	}
	s.do(os.Remove(filepath.Join(p.dir, ".kamal/secrets")))
	p.writes(base)
	p.wants(1, "the file needs a destination", "deploy")
	s.runs()
	for i, destination := range []string{"staging", "production"} {
		p.wants(0, "is live on 1 host", "deploy", "-d", destination)
		if got := s.ask(s.hosts[i], "/env?name=TOKEN"); got != "of-"+destination {
			t.Errorf("TOKEN of %s is %q", destination, got)
		}
	}
	for i, name := range []string{"stages-web-staging-v1", "stages-web-production-v1"} {
		if got := s.running(s.hosts[i]); !slices.Equal(got, []string{name}) {
			t.Errorf("on %s run %v, want %s", s.hosts[i].Name, got, name)
		}
	}
	p.wants(0, "stopped", "app", "stop", "-d", "staging")
	if one, two := s.status(s.hosts[0]), s.status(s.hosts[1]); one != http.StatusNotFound || two != http.StatusOK {
		t.Errorf("staging answers %d after its stop, production %d", one, two)
	}
	p.wants(0, "removed", "app", "remove", "-y", "-d", "staging")
	s.answersOn(1, "v1")
}

// answersOn fails the test unless one host answers a version right now.
func (s *scenario) answersOn(host int, version string) {
	s.Helper()
	if got := s.ask(s.hosts[host], "/version"); got != version {
		s.Errorf("%s answers %q, want %q", s.hosts[host].Name, got, version)
	}
}
