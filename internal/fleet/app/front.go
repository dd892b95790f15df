package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// engine is where a front asks, with the label that its backend has.
const (
	engine = "/var/run/docker.sock"
	found  = "http://engine/containers/json?filters=%7B%22label%22:%5B%22front.enable=true%22%5D%7D"
)

// front is a reverse proxy that finds whom it serves as Traefik does: by the
// labels of the containers that run, front.enable=true and front.port, each
// time that it is asked. Without any it answers 502.
func front() http.Handler {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", engine)
		},
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := backend(r.Context(), client)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.SetXForwarded()
			p.Out.Host = p.In.Host
		}}).ServeHTTP(w, r)
	})
}

// backend asks the engine for the address of a container with the labels, in
// the network kamal.
func backend(ctx context.Context, client *http.Client) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, found, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the engine: %w", err)
	}
	defer resp.Body.Close()
	var list []struct {
		Labels          map[string]string
		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("ask the engine: %s: %w", resp.Status, err)
	}
	for _, c := range list {
		if at := c.NetworkSettings.Networks["kamal"].IPAddress; at != "" {
			return &url.URL{Scheme: "http", Host: net.JoinHostPort(at, c.Labels["front.port"])}, nil
		}
	}
	return nil, errors.New("no container has the label front.enable")
}
