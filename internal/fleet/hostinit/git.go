package main

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"time"
)

// serveGit serves the repositories below /srv/git by Git's own CGI program,
// for anybody, reading and (where http.receivepack is set) writing.
func serveGit() error {
	srv := &http.Server{
		Addr:              ":80",
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &cgi.Handler{
			Path: "/usr/lib/git-core/git-http-backend",
			Env:  []string{"GIT_PROJECT_ROOT=/srv/git", "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=git"},
		},
	}
	if err := srv.ListenAndServe(); err != nil {
		return fmt.Errorf("serve git: %w", err)
	}
	return nil
}
