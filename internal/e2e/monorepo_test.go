package e2e_test

import (
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

func TestTwoServicesOfOneRepositoryAreDeployedEachByItsOwnPaths(t *testing.T) {
	t.Parallel()
	s := begin(t, "mono")
	s.onNewHost()
	s.settings["deploy"] = "[{ file: services/api/config/deploy.yml, paths: [services/api, libs/*] }, { file: services/web/config/deploy.yml, paths: [services/web] }]"
	delete(s.settings, "secrets")
	service := func(name, version string) string {
		f := s.file(version).with("service", "mono-"+name).with("x-fairlead", "{ window: 1s }")
		f["proxy"] = strings.Replace(f["proxy"], s.host(), "mono-"+name+".example.com", 1)
		return f.String()
	}
	for _, v := range []string{"v1", "v2"} {
		s.image(v, nil)
	}
	secrets := "REGISTRY_PASSWORD=$(cat secret/registry)\n"
	file := map[string]string{
		"services/api/config/deploy.yml": service("api", "v1"), "services/api/.kamal/secrets": secrets, "services/api/secret/registry": registryPassword,
		"services/web/config/deploy.yml": service("web", "v1"), "services/web/.kamal/secrets": secrets, "services/web/secret/registry": registryPassword,
	}
	succeeds := func(repo, sha string) {
		t.Helper()
		s.toldThat(repo+" is live", func(ev release.Event) bool {
			return ev.Release != nil && ev.Release.Revision.Repo == repo && ev.Release.Revision.SHA == sha && ev.Release.Status == release.Succeeded
		})
	}
	first := s.pushFiles(file)
	s.start()
	succeeds("mono:services-api", first)
	succeeds("mono:services-web", first)

	// One of them moves, and the other does not hear of it.
	second := s.pushFiles(map[string]string{"services/web/config/deploy.yml": service("web", "v2")})
	succeeds("mono:services-web", second)
	s.says(0, "v1", "status", "mono-api")
	s.says(0, "v2", "status", "mono-web")
	docs := s.pushFiles(map[string]string{"README.md": "Nothing to deploy.\n"})
	s.until("both have passed "+docs[:7]+" by", func() bool {
		text := s.daemon.LastLines()
		return strings.Contains(text, "project=mono:services-api revision="+docs[:7]) && strings.Contains(text, "project=mono:services-web revision="+docs[:7])
	})
	s.says(0, "on its commit", "status", "mono-api")

	// A restart knows as much from what is deployed.
	since := s.clock()
	s.do(s.daemon.Stop())
	s.start()
	libs := s.pushFiles(map[string]string{"libs/log/log.rb": "p 1\n"})
	s.toldThat("the library is the api's", func(ev release.Event) bool {
		return ev.Release != nil && ev.Release.Revision.Repo == "mono:services-api" && ev.Release.Revision.SHA == libs && ev.Release.Status == release.Unchanged
	})
	for _, name := range []string{"mono-api", "mono-web"} {
		one := s.in(t)
		one.service = name
		one.untouchedSince(since)
		if got := one.ask(s.hosts[0], "/version"); got != map[string]string{"mono-api": "v1", "mono-web": "v2"}[name] {
			t.Errorf("%s answers %q", name, got)
		}
	}
	for _, ev := range s.inbox.Events() {
		r := ev.Release
		if r == nil {
			continue
		}
		of := r.Revision.Repo
		if r.Revision.SHA == docs || r.Revision.SHA == libs && of == "mono:services-web" || r.Revision.SHA == second && of == "mono:services-api" {
			t.Errorf("a release of a commit that has nothing of it: %s %s", of, shown(ev))
		}
	}
}
