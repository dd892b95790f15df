package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// ground is what the story stands on: servers, a registry and a Git server.
type ground interface {
	servers() []server
	// registry is its address as the servers see it.
	registry() string
	// push puts an image into the registry.
	push(ctx context.Context, img fleet.Image, repoTag string) error
	// repository makes an empty repository and returns its URL.
	repository(ctx context.Context) (url string, err error)
	// operator is the part of fairlead.yml that says how servers are reached.
	operator() string
	// proxyRun is the part of deploy.yml's proxy that the ground needs.
	proxyRun() string
	// look says how to look around from another terminal.
	look() string
	close() error
}

// server is one machine of the story.
type server struct {
	name    string // for people
	address string // in deploy.yml
	site    string // where the proxy answers: "http://HOST[:PORT]"
	publish string // docker run's flags for the proxy's ports
	http    int    // the proxy's ports inside its container
	https   int
	home    string // folder of its files
	docker  func(ctx context.Context, args ...string) (string, error)
	mkdir   func(ctx context.Context, dir string) error
	load    func(ctx context.Context, img fleet.Image, ref string) error
}

// fleetGround is the real thing: servers with their own sshd and engine.
type fleetGround struct{ *fleet.Fleet }

func (g fleetGround) servers() []server {
	var list []server
	for _, h := range g.Hosts {
		list = append(list, server{
			name: h.Name, address: h.Addr, site: "http://" + h.Addr, publish: "--publish 80:80 --publish 443:443", http: 80, https: 443, home: "/root",
			docker: h.Docker, load: h.Load,
			mkdir: func(ctx context.Context, dir string) error {
				_, err := h.Exec(ctx, "mkdir", "-p", dir)
				return err
			},
		})
	}
	return list
}

func (g fleetGround) registry() string { return g.Registry }

func (g fleetGround) push(ctx context.Context, img fleet.Image, repoTag string) error {
	_, err := g.Push(ctx, img, repoTag)
	return err
}

func (g fleetGround) repository(ctx context.Context) (string, error) {
	repo, err := g.NewRepo(ctx, service)
	if err != nil {
		return "", err
	}
	return repo.HTTP, nil
}

func (g fleetGround) operator() string {
	return "ssh: { key: " + g.Key + ", known_hosts: " + g.KnownHosts + ", user: root }\n" +
		"registries:\n  \"" + g.Registry + "\": { insecure: true }\n"
}

func (g fleetGround) proxyRun() string { return "" }

func (g fleetGround) look() string {
	return fmt.Sprintf("  ssh -i %s -o UserKnownHostsFile=%s root@%s docker ps\n", g.Key, g.KnownHosts, g.Hosts[0].Addr)
}

func (g fleetGround) close() error { return g.Close() }

// ports are the flags of the proxy's own command line.
func (s server) ports() string {
	return fmt.Sprintf("--http-port %d --https-port %d", s.http, s.https)
}

// list joins the servers' names.
func list(servers []server, what func(server) string) string {
	var all []string
	for _, s := range servers {
		all = append(all, what(s))
	}
	return strings.Join(all, " and ")
}
