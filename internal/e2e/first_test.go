package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/release"
)

// secretsOfKamal are as in Kamal's own scenario: other scripts, quotes, one
// that is made of another.
const secretsOfKamal = `SECRET_TOKEN='1234 with "中文"'
INTERPOLATED="<${SECRET_TOKEN}> and \$HOME"
`

// allHooks are those that a rollout runs, in their order.
var allHooks = []string{"pre-connect", "pre-deploy", "pre-app-boot", "post-app-boot", "post-deploy"}

// released is what history tells, newest first.
func (s *scenario) released() (all []release.Release) {
	s.Helper()
	s.do(json.Unmarshal([]byte(s.only("history", s.service, "--json")), &all))
	return slices.DeleteFunc(all, func(r release.Release) bool { return r.Status == release.Waiting }) // what is held is looked at again
}

// hooked checks that all hooks ran in their order, and of what command they
// know.
func (s *scenario) hooked(r release.Release, command string) {
	s.Helper()
	var names []string
	for _, h := range r.Hooks {
		names = append(names, h.Name)
		if text := strings.Join(h.Output, "\n"); !strings.Contains(text, "command "+command+" of "+h.Name) || !strings.Contains(text, "hook of the commit") {
			s.Errorf("%s of a %s says\n%s", h.Name, command, text)
		}
	}
	if !slices.Equal(names, allHooks) {
		s.Errorf("the hooks of a %s were %v, want %v", command, names, allHooks)
	}
}

func TestAFirstDeployTheNextAndTheWayBackHaveKamalsHooksVariablesAssetsAndOrder(t *testing.T) {
	t.Parallel()
	s := begin(t, "first")
	s.settings["allow"] = "[hooks]"
	var tagged []string
	for i, h := range s.hosts {
		tagged = append(tagged, fmt.Sprintf("{ %s: [site%d] }", h.Addr, i+1))
		_, err := h.SSH(t.Context(), fmt.Sprintf("echo export HOST_TOKEN=token-%d >> .bashrc", i+1))
		s.do(err)
		t.Cleanup(func() {
			if _, err := h.SSH(context.WithoutCancel(t.Context()), "sed -i /HOST_TOKEN/d .bashrc"); err != nil {
				t.Error(err)
			}
		})
	}
	files := map[string]string{".kamal/secrets": secretsOfKamal}
	for _, name := range allHooks {
		files[".kamal/hooks/"+name] = "#!/bin/app task\nhook of the commit\n" // its interpreter is the image's program
	}
	push := func(version string) string {
		t.Helper()
		img := shared.app.Image(version, nil)
		img.Path, img.Files = "/bin/app", map[string]string{"/app/assets/" + version + ".css": "style of " + version, "/app/assets/.hidden-" + version: "dot of " + version}
		_, err := shared.fleet.Push(t.Context(), img, s.service+":"+version)
		s.do(err)
		files["config/deploy.yml"] = s.file(version).
			with("servers", "{ web: ["+strings.Join(tagged, ", ")+"] }").with("asset_path", "/app/assets:ro").with("x-fairlead", "{ window: 1s }").
			with("env", "{ clear: { GREETING: 'hello ${HOST_TOKEN}!' }, secret: [SECRET_TOKEN, INTERPOLATED], tags: { site1: { SITE: one }, site2: { SITE: two } } }").String()
		return s.pushFiles(files)
	}
	s.start()
	first := push("v1")
	s.hooked(*s.ends(first, release.Succeeded).Release, "deploy")
	s.answers("v1")
	for i, h := range s.hosts {
		for name, want := range map[string]string{
			"GREETING": fmt.Sprintf("hello token-%d!", i+1), "SITE": []string{"one", "two"}[i],
			"SECRET_TOKEN": `1234 with "中文"`, "INTERPOLATED": `<1234 with "中文"> and $HOME`,
		} {
			if got := s.ask(h, "/env?name="+name); got != want {
				t.Errorf("%s on %s is %q, want %q", name, h.Name, got, want)
			}
		}
	}

	second := push("v2")
	s.hooked(*s.ends(second, release.Succeeded).Release, "deploy")
	s.answers("v2")
	for _, h := range s.hosts {
		for _, version := range []string{"v1", "v2"} {
			for name, want := range map[string]string{version + ".css": "style of " + version, ".hidden-" + version: "dot of " + version} {
				if got := s.ask(h, "/file?path=/app/assets/"+name); got != want {
					t.Errorf("%s serves %q as %s", h.Name, got, name)
				}
			}
		}
		mount, err := h.Docker(t.Context(), "inspect", "--format", "{{range .Mounts}}{{.Destination}} {{.RW}}{{end}}", s.web("v2"))
		if s.do(err); strings.TrimSpace(mount) != "/app/assets false" {
			t.Errorf("the mounts of %s are %q", h.Name, mount)
		}
	}
	s.tellsOfHosts(second)

	s.says(0, "is live on 2 hosts", "rollback", s.service, "--follow")
	s.answers("v1")
	all := s.released()
	s.hooked(all[0], "rollback")
	var versions []string
	for _, r := range all {
		versions = append(versions, r.Version+" "+string(r.Status))
	}
	if want := []string{"v1 succeeded", "v2 succeeded", "v1 succeeded"}; !slices.Equal(versions, want) {
		t.Errorf("the history is %v, want %v", versions, want)
	}
	for _, h := range s.hosts {
		out := s.only("app", "containers", "--hosts", h.Addr)
		newer, older := strings.Index(out, s.web("v2")), strings.Index(out, s.web("v1"))
		if newer < 0 || older < newer {
			t.Errorf("the containers of %s are not newest first:\n%s", h.Name, out)
		}
	}
	s.says(0, s.web("v1"), "details")
	for _, what := range []string{"maintenance", "live"} {
		s.says(0, "", "app", what)
	}
	for _, h := range s.hosts {
		out := s.only("audit", "--hosts", h.Addr)
		if m, l := strings.Index(out, "Set app to maintenance"), strings.Index(out, "Set app to live"); m < 0 || l < m {
			t.Errorf("the audit of %s is not in order:\n%s", h.Name, out)
		}
	}
}

// tellsOfHosts checks what is told of a release from its beginning to its end,
// and that each host is in it.
func (s *scenario) tellsOfHosts(sha string) {
	s.Helper()
	var told []release.Status
	var last release.Release
	for _, ev := range s.inbox.Events() {
		if ev.Release != nil && ev.Release.Revision.SHA == sha {
			told, last = append(told, ev.Release.Status), *ev.Release
		}
	}
	if want := []release.Status{release.Preparing, release.Switching, release.Watching, release.Succeeded}; !slices.Equal(slices.Compact(told), want) {
		s.Errorf("told were %v, want %v", told, want)
	}
	explained, listed := s.only("explain", s.service), s.only("events", "-n", "50")
	for _, h := range s.hosts {
		if !slices.ContainsFunc(last.Hosts, func(o release.HostOutcome) bool { return o.Host == h.Addr && o.State == "new" }) {
			s.Errorf("at its end is told of %+v", last.Hosts)
		}
		if !strings.Contains(explained, "  "+h.Addr) {
			s.Errorf("explain has no line of %s:\n%s", h.Addr, explained)
		}
	}
	if !strings.Contains(listed, sha[:7]+"  succeeded") {
		s.Errorf("events does not tell of the end:\n%s", listed)
	}
}
