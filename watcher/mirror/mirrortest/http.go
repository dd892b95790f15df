package mirrortest

import (
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// HTTP is a smart HTTP server.
type HTTP struct {
	*httptest.Server
	Listings atomic.Int64 // of refs
	Uploads  atomic.Int64 // of packs
	// Token, when set, is the password that is asked for.
	Token string
}

// ServeHTTP serves the repositories under root; root/shop.git is at
// URL + "/shop.git".
func ServeHTTP(t testing.TB, root string) *HTTP {
	t.Helper()
	core, err := exec.CommandContext(t.Context(), "git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path:   filepath.Join(strings.TrimSpace(string(core)), "git-http-backend"),
		Env:    append(Env(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1"),
		Stderr: io.Discard, // what matters of it is in the answers
	}
	s := &HTTP{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); s.Token != "" && password != s.Token {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost {
			s.Uploads.Add(1)
		} else {
			s.Listings.Add(1)
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}
