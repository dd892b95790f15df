package hosttest

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"golang.org/x/crypto/ssh"

	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh/sshtest"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/proxy/control"
)

// Options are what a server is like.
type Options struct {
	// Network is where it is found; nil is the loopback device, with its own
	// address.
	Network   *Network
	Signer    ssh.Signer    // the key that it lets in
	RoundTrip time.Duration // of the wire to it
	Boot      time.Duration // from the start of a container until its app answers
}

// A Server is one server.
type Server struct {
	*sshtest.Server
	options Options

	mu         sync.Mutex
	containers map[string]*box
	images     map[string]string // id by reference
	networks   map[string]bool
	routes     map[string]control.DeployRequest // the last, by service
	calls      map[string]int                   // of the engine, by method and the path's last word
	next       int

	doors map[string]*door
}

// Start runs a server until the end of the test. Its proxy runs already.
func Start(t testing.TB, options Options) *Server {
	t.Helper()
	s := &Server{options: options, containers: map[string]*box{}, images: map[string]string{}, networks: map[string]bool{"kamal": true},
		routes: map[string]control.DeployRequest{}, calls: map[string]int{}}
	s.addProxy()
	engine, proxy := newDoor(s.engine()), newDoor(s.proxy())
	apps := newDoor(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	s.doors = map[string]*door{"engine": engine, "proxy": proxy, "app": apps}
	like := sshtest.Options{Signer: options.Signer, RoundTrip: options.RoundTrip, Dial: s.dial}
	if options.Network != nil {
		like.Listener = options.Network.listen()
	}
	s.Server = sshtest.Start(t, like)
	t.Cleanup(func() {
		for _, d := range s.doors {
			d.end()
		}
	})
	return s
}

// dial is where the server's forwarded channels lead.
func (s *Server) dial(network, address string) (net.Conn, error) {
	switch {
	case network == "unix" && address == host.DefaultSocket:
		return s.doors["engine"].dial()
	case network == "unix" && address == s.Home+"/"+route.Socket:
		return s.doors["proxy"].dial()
	case network == "tcp" && s.answers(address):
		return s.doors["app"].dial()
	}
	return nil, errNobody
}

// Containers returns the names of those that run, with the version that each
// has by its image's reference.
func (s *Server) Containers() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := map[string]string{}
	for _, b := range s.containers {
		if b.running() {
			running[b.name] = b.request.Image
		}
	}
	return running
}

// Created returns what a container was made of, by its name; nil where there is
// none.
func (s *Server) Created(name string) *container.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.find(name); b != nil {
		return b.request.Config
	}
	return nil
}

// Route returns the name of the container that a service's traffic goes to.
func (s *Server) Route(service string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.target(s.routes[service].Targets); b != nil {
		return b.name
	}
	return ""
}

// Calls returns how often the engine was asked for something, such as "POST
// create".
func (s *Server) Calls(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[what]
}

// Asked returns how often the engine was asked for anything, and how often of
// that to change something.
func (s *Server) Asked() (calls, changes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, n := range s.calls {
		calls += n
		if !strings.HasPrefix(what, http.MethodGet) && !strings.HasPrefix(what, http.MethodHead) {
			changes += n
		}
	}
	return calls, changes
}
