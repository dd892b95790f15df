package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// gitCounter is a proxy in front of the Git server that counts what is asked.
type gitCounter struct {
	server *httptest.Server

	mu   sync.Mutex
	seen gitCount
	last map[string]time.Time // the last listing, by repository
}

// gitCount is how much was asked. Listings of one repository that follow each
// other within samePoll are of one poll.
type gitCount struct{ listings, polls, others int }

const samePoll = time.Second

func (c gitCount) minus(d gitCount) gitCount {
	return gitCount{c.listings - d.listings, c.polls - d.polls, c.others - d.others}
}

func countGit(address string) *gitCounter {
	g := &gitCounter{last: map[string]time.Time{}}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.note(r)
		if err := pass(w, r, address); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}))
	return g
}

// pass asks the Git server and passes its answer on.
func pass(w http.ResponseWriter, r *http.Request, address string) error {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, address+r.URL.RequestURI(), r.Body)
	if err != nil {
		return err
	}
	req.Header, req.ContentLength = r.Header.Clone(), r.ContentLength
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	maps.Copy(w.Header(), resp.Header)
	w.WriteHeader(resp.StatusCode)
	_, err = io.Copy(w, resp.Body)
	return err
}

func (g *gitCounter) note(r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo, listing := strings.CutSuffix(r.URL.Path, "/info/refs")
	if !listing {
		g.seen.others++
		return
	}
	g.seen.listings++
	if time.Since(g.last[repo]) > samePoll {
		g.seen.polls++
	}
	g.last[repo] = time.Now()
}

func (g *gitCounter) count() gitCount {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen
}

// idleRepositories makes n repositories, each with a service of its own.
func (b *bench) idleRepositories(ctx context.Context, prefix string, n int) ([]string, error) {
	first, err := b.fleet.NewRepo(ctx, prefix+"0")
	if err != nil {
		return nil, err
	}
	names := []string{prefix + "0"}
	for i := 1; i < n; i++ { // an empty repository is a folder
		name := fmt.Sprintf("%s%d", prefix, i)
		at := filepath.Join(filepath.Dir(first.Path), name+".git")
		if err := os.CopyFS(at, os.DirFS(first.Path)); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	var g errgroup.Group
	g.SetLimit(4)
	for _, name := range names {
		g.Go(func() error {
			repo, err := actor.NewRepository("http://" + b.fleet.GitMachine.Addr + "/" + name + ".git")
			if err != nil {
				return err
			}
			_, err = repo.Push(ctx, "Deploy", map[string]string{"config/deploy.yml": fmt.Sprintf(
				"service: %s\nimage: idle:v1\nregistry: { server: %q }\nservers: { web: [%s] }\nproxy: { host: %s.test }\n",
				name, b.fleet.Registry, b.fleet.Hosts[0].Addr, name)})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return names, nil
}

// daemon starts the program with a configuration, completed with what all
// daemons here have.
func (b *bench) daemon(name, conf string) (*actor.Daemon, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	f := b.fleet
	conf += fmt.Sprintf("ssh: { key: %s, known_hosts: %s, user: root }\nregistries: { %q: { insecure: true } }\ndata_dir: %s\nsocket: %s\nlisten: none\n",
		f.Key, f.KnownHosts, f.Registry, filepath.Join(dir, "data"), filepath.Join(dir, "sock"))
	d := &actor.Daemon{Program: b.program, Conf: filepath.Join(dir, "fairlead.yml"), Log: filepath.Join(dir, "log")}
	if err := os.WriteFile(d.Conf, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return d, d.Start()
}
