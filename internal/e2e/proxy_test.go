package e2e_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/release"
)

// asks is what a host's proxy answers for the service, with its page.
func (s *scenario) asks(h *fleet.Host, path string) (status int, page string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Addr+path, nil)
	s.do(err)
	req.Host = s.host()
	resp, err := http.DefaultClient.Do(req)
	s.do(err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	s.do(err)
	return resp.StatusCode, strings.TrimSpace(string(body))
}

// shows checks the page that every host's proxy answers with.
func (s *scenario) shows(path string, status int, page string) {
	s.Helper()
	for _, h := range s.hosts {
		if code, text := s.asks(h, path); code != status || text != page {
			s.Errorf("%s%s answers %d %q, want %d %q", h.Name, path, code, text, status, page)
		}
	}
}

func TestVisitorsSeeTheErrorPagesOfTheCommitThatIsLive(t *testing.T) {
	s := begin(t, "pages")
	s.image("v1", nil)
	s.start()
	file := s.file("v1").with("error_pages_path", "public").
		with("proxy", "{ host: "+s.host()+", app_port: 80, response_timeout: 1, healthcheck: { path: /up, interval: 1, timeout: 2 } }")
	pages := func(of string) map[string]string {
		return map[string]string{
			"config/deploy.yml": file.String(), "public/504.html": "late, says " + of, "public/5xx.html": "broken, says " + of,
			"public/503.html": "closed, says " + of + ": {{ .Message }}", "public/assets/app.css": strings.Repeat("x", 2<<20),
		}
	}
	s.ends(s.pushFiles(pages("one")), release.Succeeded)
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says one")
	s.says(0, "answers with 503", "app", "maintenance", "--message", "Back <soon>", "--drain-timeout", "1s")
	s.shows("/version", http.StatusServiceUnavailable, "closed, says one: Back &lt;soon&gt;")
	s.says(0, "serves again", "app", "live")
	s.answers("v1")
	before := s.portrait()

	s.ends(s.pushFiles(pages("two")), release.Succeeded)
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says two")
	if s.portrait() != before {
		t.Error("other pages made new containers")
	}
	for _, h := range s.hosts {
		left, err := h.SSH(t.Context(), "ls .kamal/proxy/apps-config/"+s.service+"/error_pages")
		s.do(err)
		if strings.Count(left, "web-") != 1 {
			t.Errorf("on %s there are %q", h.Name, left)
		}
	}
	s.says(0, "is live on 2 hosts", "rollback", "--follow")
	s.shows("/slow?ms=3000", http.StatusGatewayTimeout, "late, says one")
	for _, h := range s.hosts {
		_, err := h.Docker(t.Context(), "kill", s.web("v1"))
		s.do(err)
	}
	s.shows("/version", http.StatusBadGateway, "broken, says one")
}
