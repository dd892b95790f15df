package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// comes is a visitor with a cookie, "" for none: what the page says, and the
// cookie that came with it.
func (s *scenario) comes(h *fleet.Host, path, cookie string) (page, given string, err error) {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+h.Addr+path, nil)
	if err != nil {
		return "", "", err
	}
	req.Host = s.host()
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := actor.NewClient().Do(req)
	if err != nil {
		return "", "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	for _, c := range resp.Cookies() {
		given = c.Name + "=" + c.Value
	}
	return strings.TrimSpace(string(text)), given, err
}

// split tells whether a host's proxy sends a share of the clients elsewhere.
func (s *scenario) split(h *fleet.Host) bool {
	s.Helper()
	out, err := h.Docker(s.Context(), "exec", "kamal-proxy", "kamal-proxy", "list", "--json")
	s.do(err)
	_, mine, _ := strings.Cut(out, `"name": "`+s.service+`-web"`)
	mine, _, _ = strings.Cut(mine, `"options"`)
	return strings.Contains(mine, `"sticky": true`)
}

func TestACanaryIsTriedOutOnAShareOfTheClientsAndJudgedByItsErrors(t *testing.T) {
	t.Parallel()
	s := begin(t, "canary")
	s.image("v1", nil)
	s.image("v2", nil)
	s.image("v3", map[string]string{"HEALTH": "fail"}) // of /up, which is only a page here
	file := func(version, lasts string) yml {
		return s.file(version).with("proxy", "{ host: "+s.host()+", app_port: 80, healthcheck: { path: /version, interval: 1, timeout: 2 } }").
			with("x-fairlead", "{ window: 1s, roles: { web: { strategy: canary, canary: { percent: 40, for: "+lasts+" } } } }")
	}
	s.start()
	s.ends(s.push(file("v1", "4s")), release.Succeeded)
	leave := s.visitors()

	sha := s.push(file("v2", "4s"))
	s.until("both hosts split their clients", func() bool { return s.split(s.hosts[0]) && s.split(s.hosts[1]) })
	seen := map[string]string{} // version by cookie
	for len(seen) < 20 {
		version, cookie, err := s.comes(s.hosts[0], "/version", "")
		s.do(err)
		if before, known := seen[cookie]; cookie == "" || known && before != version {
			t.Fatalf("the cookie %q led to %q and to %q", cookie, before, version)
		}
		seen[cookie] = version
	}
	versions := map[string]int{}
	for cookie, version := range seen {
		versions[version]++
		for _, h := range s.hosts { // behind one balancer it may be either
			if got, again, err := s.comes(h, "/version", cookie); got != version || again != "" || err != nil {
				t.Errorf("%s sends %s to %q, not to %s, and gives it %q: %v", h.Name, cookie, got, version, again, err)
			}
		}
	}
	if versions["v1"] == 0 || versions["v2"] == 0 {
		t.Errorf("the clients got %v", versions)
	}
	s.ends(sha, release.Succeeded)
	s.answers("v2")
	s.runs(s.web("v2"))

	sha = s.push(file("v3", "2m"))
	stop, asking := make(chan struct{}), sync.WaitGroup{}
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, _, err := s.comes(s.hosts[0], "/up", ""); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	ev := s.ends(sha, release.RolledBack)
	close(stop)
	asking.Wait()
	leave()
	if f := ev.Release.Failure; !strings.Contains(f.Message, s.web("v3")+" answered ") || !strings.Contains(f.Message, "the old containers 0 of") || f.Next == "" {
		t.Errorf("the failure is told as %+v", f)
	}
	s.answers("v2")
	s.runs(s.web("v2"))
	for _, h := range s.hosts {
		if s.split(h) {
			t.Errorf("%s still splits its clients", h.Name)
		}
	}
}
