package proxy

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/fairlead-deploy/fairlead/proxy/control"
	"github.com/fairlead-deploy/fairlead/proxy/router"
)

// newAPI serves the control API that package control documents.
func newAPI(r *router.Router, u *upgrader, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v1/deploy", command(log, r.Deploy))
	mux.Handle("POST /v1/remove", silent(log, func(ctx context.Context, q control.ServiceRequest) error { return r.Remove(ctx, q.Service) }))
	mux.Handle("POST /v1/pause", silent(log, r.Pause))
	mux.Handle("POST /v1/stop", silent(log, r.Stop))
	mux.Handle("POST /v1/resume", silent(log, func(ctx context.Context, q control.ServiceRequest) error { return r.Resume(ctx, q.Service) }))
	mux.Handle("POST /v1/rollout/deploy", command(log, r.RolloutDeploy))
	mux.Handle("POST /v1/rollout/set", silent(log, r.RolloutSet))
	mux.Handle("POST /v1/rollout/stop", silent(log, r.RolloutStop))
	mux.Handle("POST /v1/upgrade", command(log, func(ctx context.Context, _ struct{}) (control.About, error) { return u.upgrade(ctx) }))
	mux.HandleFunc("GET /v1/services", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"services": r.List()})
	})
	mux.HandleFunc("GET /v1/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, control.About{Version: Version, Instance: u.instance})
	})
	return mux
}

// command decodes a request, runs it, and encodes what came out.
func command[Q, A any](log *slog.Logger, run func(context.Context, Q) (A, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var q Q
		err := control.Decode(req.Body, &q)
		if err == nil {
			var a A
			if a, err = run(req.Context(), q); err == nil {
				answer(w, http.StatusOK, a)
				return
			}
		}
		kind := router.KindOf(err)
		log.Warn("command refused", "command", req.URL.Path, "kind", kind, "error", err)
		answer(w, status(kind), control.Error{Kind: kind, Text: err.Error()})
	})
}

func silent[Q any](log *slog.Logger, run func(context.Context, Q) error) http.Handler {
	return command(log, func(ctx context.Context, q Q) (struct{}, error) { return struct{}{}, run(ctx, q) })
}

func status(kind control.Kind) int {
	switch kind {
	case control.Invalid:
		return http.StatusBadRequest
	case control.NotFound:
		return http.StatusNotFound
	case control.Conflict:
		return http.StatusConflict
	case control.Unhealthy:
		return http.StatusFailedDependency
	}
	return http.StatusInternalServerError
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that hung up asks again
}
