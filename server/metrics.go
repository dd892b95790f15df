package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// metrics answers in Prometheus's text format 0.0.4.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), askTimeout, errSlow)
	defer cancel()
	st, err := s.look(ctx, time.Now())
	if err != nil {
		s.refuse(w, s.explain(ctx, r, err))
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(st.Metrics())) // the asker may have gone
}

// Metrics is the status in Prometheus's text format.
func (st Status) Metrics() string {
	var b strings.Builder
	family := func(name, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %[1]s gauge\n", name, help)
	}
	family("fairlead_service_state", "1 for the state a service is in, 0 for the others.")
	for _, s := range st.Services {
		for _, state := range states() {
			fmt.Fprintf(&b, "fairlead_service_state{service=%s,destination=%s,state=%s} %d\n",
				label(s.Lane.Service), label(s.Lane.Destination), label(string(state)), bit(s.State == state))
		}
	}
	family("fairlead_service_last_success_timestamp_seconds", "When the last release that succeeded ended.")
	for _, s := range st.Services {
		if s.LastSuccess != nil && !s.LastSuccess.Ended.IsZero() {
			fmt.Fprintf(&b, "fairlead_service_last_success_timestamp_seconds{service=%s,destination=%s} %d\n",
				label(s.Lane.Service), label(s.Lane.Destination), s.LastSuccess.Ended.Unix())
		}
	}
	family("fairlead_repository_ok", "1 when the last look at a repository worked.")
	for _, r := range st.Repositories {
		fmt.Fprintf(&b, "fairlead_repository_ok{repository=%s} %d\n", label(r.Name), bit(r.State == "ok"))
	}
	family("fairlead_repository_look_timestamp_seconds", "When a repository was last looked at.")
	for _, r := range st.Repositories {
		if !r.Looked.IsZero() {
			fmt.Fprintf(&b, "fairlead_repository_look_timestamp_seconds{repository=%s} %d\n", label(r.Name), r.Looked.Unix())
		}
	}
	family("fairlead_alerts", "Open alerts.")
	fmt.Fprintf(&b, "fairlead_alerts %d\n", len(st.Alerts))
	st.refusedMetrics(&b)
	return b.String()
}

func label(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
