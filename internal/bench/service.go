package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
	"github.com/fairlead-deploy/fairlead/release"
)

// patience bounds each wait.
const patience = 2 * time.Minute

// never is what a daemon that only webhooks move has for its intervals.
const never = "never"

// service is one application under a daemon of its own, the real program.
type service struct {
	b       *bench
	name    string
	dir     string
	hosts   []*fleet.Host
	roots   []string // where their files are seen from here
	repo    *actor.Repository
	inbox   *actor.Inbox
	daemon  actor.Daemon
	listen  string
	secret  string // signs calls and messages
	canary  string // a variable of its containers, which nobody else may see
	version int
	visits  *visitors

	// Of fairlead.yml:
	poll, reconcile string
	operator        string // lines more
}

// newService prepares a service on the first n hosts; nothing runs yet.
func (b *bench) newService(ctx context.Context, n int) (*service, error) {
	s := &service{b: b, name: b.name("bench"), hosts: b.fleet.Hosts[:n], secret: actor.NewSecret(), canary: actor.Canary(), poll: never, reconcile: never}
	s.dir = filepath.Join(b.dir, s.name)
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	for _, h := range s.hosts {
		root, err := b.root(ctx, h)
		if err != nil {
			return nil, err
		}
		s.roots = append(s.roots, root)
	}
	remote, err := b.fleet.NewRepo(ctx, s.name)
	if err != nil {
		return nil, err
	}
	if s.repo, err = actor.NewRepository(remote.HTTP); err != nil {
		return nil, err
	}
	if s.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("secret"), []byte(s.secret), 0o600); err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.path("secrets"), 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.path("secrets/CANARY"), []byte(s.canary), 0o600); err != nil {
		return nil, err
	}
	s.daemon = actor.Daemon{Program: b.program, Conf: s.path("fairlead.yml"), Log: s.path("log")}
	s.inbox, err = actor.OpenInbox(s.secret)
	return s, err
}

// freeAddress is one on this machine that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (s *service) path(name string) string { return filepath.Join(s.dir, name) }

// start writes fairlead.yml and starts the daemon.
func (s *service) start() error {
	f := s.b.fleet
	conf := fmt.Sprintf(`repositories:
  %[1]s:
    url: %[2]s
    branch: main
    poll: %[13]s
    mode: deploy
    secrets: { dir: %[15]s }
    webhook: { provider: generic, secret: { file: %[3]s } }
ssh: { key: %[4]s, known_hosts: [%[5]s, %[6]s], user: root }
registries:
  "%[7]s": { insecure: true }
notify:
  - webhook: { url: "%[8]s", secret: { file: %[3]s } }
    on: [every, alerts]
data_dir: %[9]s
socket: %[10]s
listen: %[11]s
reconcile: %[14]s
%[12]s`, s.name, s.repo.URL, s.path("secret"), f.Key, f.KnownHosts, s.path("known_hosts"), f.Registry,
		s.inbox.URL, s.path("data"), s.path("sock"), s.listen, s.operator, s.poll, s.reconcile, s.path("secrets"))
	if err := os.WriteFile(s.daemon.Conf, []byte(conf), 0o600); err != nil {
		return err
	}
	return s.daemon.Start()
}

// commit pushes an image that no host has seen, and the commit that asks for
// it. Nobody tells the daemon.
func (s *service) commit(ctx context.Context) (sha, version string, err error) {
	s.version++
	version = fmt.Sprintf("v%d", s.version)
	if err := s.b.push(ctx, s.name, version); err != nil {
		return "", "", err
	}
	var addresses []string
	for _, h := range s.hosts {
		addresses = append(addresses, h.Addr)
	}
	sha, err = s.repo.Push(ctx, "Deploy "+version, map[string]string{"config/deploy.yml": fmt.Sprintf(`service: %[1]s
image: %[1]s:%[2]s
registry:
  server: %[3]s
servers:
  web: [%[4]s]
env: { secret: [CANARY] }
proxy:
  host: %[1]s.test
  app_port: 80
  healthcheck: { path: /up, interval: 1, timeout: 2 }
drain_timeout: 10
x-fairlead:
  window: 0
`, s.name, version, s.b.fleet.Registry, strings.Join(addresses, ", "))})
	return sha, version, err
}

// tell calls the daemon's webhook as the forge of the repository would.
func (s *service) tell(ctx context.Context) error {
	body := []byte(`{"ref":"refs/heads/main"}`)
	mac := hmac.New(sha256.New, []byte(s.secret))
	mac.Write(body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.listen+"/hooks/"+s.name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Fairlead-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := actor.NewClient().Do(req)
	if err != nil {
		return fmt.Errorf("call the webhook: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("call the webhook: %s", resp.Status)
	}
	return nil
}

// reached is when the parts of a deploy came to their end.
type reached struct {
	switched time.Time // the last host answers with the new version
	done     time.Time // the old ones are stopped and the locks are gone
}

// after is how long that took from a moment on.
func (r reached) after(begin time.Time) took { return took{r.switched.Sub(begin), r.done.Sub(begin)} }

// took is how long the parts of a deploy took.
type took struct{ switched, done time.Duration }

// deploy commits a new version, calls the webhook and waits for all of it.
func (s *service) deploy(ctx context.Context) (took, error) {
	sha, version, err := s.commit(ctx)
	if err != nil {
		return took{}, err
	}
	begin := time.Now()
	if err := s.tell(ctx); err != nil {
		return took{}, err
	}
	end, err := s.await(ctx, sha, version)
	return end.after(begin), err
}

// await waits for a deploy that has just been asked for.
func (s *service) await(ctx context.Context, sha, version string) (reached, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %s", patience))
	defer cancel()
	var r reached
	var err error
	if r.done, err = s.freed(ctx); err != nil {
		return r, s.explain(err)
	}
	if s.visits != nil {
		if r.switched, err = s.visits.everywhere(ctx, version, len(s.hosts)); err != nil {
			return r, s.explain(err)
		}
	}
	ev, err := s.inbox.Await(ctx, sha, release.Succeeded, release.Failed, release.RolledBack, release.NeedsHuman, release.Waiting)
	if err == nil && ev.Release.Status != release.Succeeded {
		err = fmt.Errorf("%s is %s: %s", version, ev.Release.Status, ev.Message)
	}
	if err != nil {
		return r, s.explain(err)
	}
	return r, nil
}

// freed waits until the lock was on every host and is gone again: the last
// thing that a deploy does.
func (s *service) freed(ctx context.Context) (time.Time, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for _, wanted := range []bool{true, false} {
		for _, root := range s.roots {
			for {
				_, err := os.Stat(filepath.Join(root, "root/.kamal/lock-"+s.name))
				if (err == nil) == wanted {
					break
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return time.Time{}, fmt.Errorf("wait for the lock (there: %t): %w", wanted, context.Cause(ctx))
				}
			}
		}
	}
	return time.Now(), nil
}

func (s *service) explain(err error) error {
	return fmt.Errorf("%w; the end of the daemon's log:\n%s", err, s.daemon.LastLines())
}

// visited starts the visitors, once the service answers.
func (s *service) visited() {
	var sites []actor.Site
	for _, h := range s.hosts {
		sites = append(sites, actor.Site{Address: "http://" + h.Addr, Host: s.name + ".test"})
	}
	s.visits = visit(sites)
}

// unvisited stops them and holds them to no failure at all.
func (s *service) unvisited(rep *report) {
	sent, failed, first := s.visits.stop()
	s.visits = nil
	rep.count(fmt.Sprintf("failed of %d requests to fairlead's service", sent), float64(failed), 0, "requests")
	if first != nil {
		rep.note("the first failure", first.Error())
	}
}

// end stops the daemon and removes the service from its hosts.
func (s *service) end() error {
	if s.visits != nil {
		s.visits.stop()
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, errors.New("cleaning up took too long"))
	defer cancel()
	errs := []error{s.daemon.Stop(), s.searched(ctx), s.inbox.Close()}
	for _, h := range s.hosts {
		_, err := h.Exec(ctx, "sh", "-c", "docker exec kamal-proxy kamal-proxy remove "+s.name+"-web; docker ps -aq --filter label=service="+s.name+" | xargs -r docker rm -f")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// searched fails where somebody could find a secret.
func (s *service) searched(ctx context.Context) error {
	secrets := map[string]string{"CANARY": s.canary, "the messages' key": s.secret}
	found, err := actor.Left(s.path("data"), s.daemon.Log, s.inbox, secrets)
	for _, h := range s.hosts {
		kept, kerr := actor.Kept(ctx, h.Name, h, secrets)
		found, err = append(found, kept...), errors.Join(err, kerr)
	}
	for _, leak := range found {
		err = errors.Join(err, errors.New(leak))
	}
	return err
}
