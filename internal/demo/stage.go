package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
	"github.com/fairlead-deploy/fairlead/internal/fleet/actor"
)

// stage is everything that the story is played with. Its fields are filled in
// by the steps, in order.
type stage struct {
	out     io.Writer
	dir     string // for what is built and unpacked; removed at the end
	local   bool   // play on this machine's own engine
	ground  ground
	repo    *actor.Repository
	head    string // the newest commit
	traffic *actor.Traffic
	daemon  actor.Daemon
	inbox   *actor.Inbox
	secrets map[string]string // that nobody may find
}

// service is the name of the application in the story.
const service = "demo"

// prepare makes the demo's folder and looks for an engine.
func (s *stage) prepare(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	s.dir = dir
	remark, err := haveDocker(ctx)
	if err != nil {
		return "", err
	}
	if os.Geteuid() != 0 {
		s.local = true
	}
	return remark, nil
}

// haveDocker installs docker.io where it is missing and may be, and starts an
// engine where none answers.
func haveDocker(ctx context.Context) (remark string, err error) {
	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "docker", "version").Run() != nil {
			return "", errors.New("the demo needs Docker: install it (sudo apt-get install docker.io) and run the demo with sudo")
		}
		return "", nil
	}
	installed, err := fleet.InstallDocker(ctx)
	if err != nil {
		return "", fmt.Errorf("the demo needs Docker; install it and try again: %w", err)
	}
	if installed {
		remark = "docker.io was installed"
	}
	return remark, fleet.Engine(ctx)
}

// startFleet starts the servers, or, where engines cannot run inside
// containers, takes this machine's own.
func (s *stage) startFleet(ctx context.Context) (string, error) {
	why := "servers of their own need root"
	if !s.local {
		remark, err := s.startServers(ctx)
		if err == nil || ctx.Err() != nil {
			return remark, err
		}
		why = "engines cannot run inside containers here (" + firstLine(err) + ")"
	}
	g, err := newLocalGround(ctx, s.dir)
	if err != nil {
		return "", fmt.Errorf("%s, and %w", why, err)
	}
	s.ground = g
	return "this machine's own engine plays the one server: " + why, nil
}

// nestTime bounds the try to start servers.
const nestTime = 20 * time.Second

func (s *stage) startServers(ctx context.Context) (string, error) {
	options := fleet.Options{Hosts: 2}
	remark := ""
	if !fleet.Installed() {
		options.Unpacked = filepath.Join(s.dir, "packages")
		if err := fleet.Unpack(ctx, options.Unpacked); err != nil {
			return "", err
		}
		remark = "; sshd and a registry were unpacked into the demo's folder, nothing was installed"
	}
	ctx, cancel := context.WithTimeoutCause(ctx, nestTime, errors.New("they did not start within "+nestTime.String()))
	defer cancel()
	f, err := fleet.Start(ctx, options)
	if err != nil {
		return "", err
	}
	s.ground = fleetGround{f}
	return fmt.Sprintf("servers %s, registry %s, git %s%s",
		list(s.ground.servers(), func(s server) string { return s.address }), f.Registry, f.GitMachine.Addr, remark), nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

func (s *stage) pushImages(ctx context.Context) (string, error) {
	app, err := fleet.BuildApp(ctx, s.dir)
	if err != nil {
		return "", err
	}
	for version, knobs := range map[string]map[string]string{v1: nil, v2: nil, broken: {"HEALTH": "fail"}, yours: {"EXIT": "3"}} {
		if err := s.ground.push(ctx, app.Image(version, knobs), service+":"+version); err != nil {
			return "", err
		}
	}
	return "", nil
}

// startByHand makes what Kamal leaves on a server (Kamal 2.12): the network
// kamal, the proxy's container kamal-proxy, and the app's container
// SERVICE-ROLE[-DEST]-VERSION with its labels and variables, behind a route.
func (s *stage) startByHand(ctx context.Context) (string, error) {
	name := service + "-web-" + v1
	s.secrets = map[string]string{"SECRET_KEY_BASE": actor.NewSecret()}
	for _, h := range s.ground.servers() {
		proxy := fleet.Image{
			Binary: s.daemon.Program, Path: "/usr/local/bin/kamal-proxy", Cmd: []string{"run"},
			Labels: map[string]string{"org.opencontainers.image.title": "kamal-proxy"},
		}
		if err := h.load(ctx, proxy, "basecamp/kamal-proxy:v0.9.2"); err != nil {
			return "", err
		}
		apps := h.home + "/.kamal/proxy/apps-config"
		if err := h.mkdir(ctx, apps); err != nil {
			return "", err
		}
		for _, line := range []string{
			"network create kamal",
			"run --name kamal-proxy --network kamal --detach --restart unless-stopped" +
				" --volume kamal-proxy-config:/home/kamal-proxy/.config/kamal-proxy" +
				" --volume " + apps + ":/home/kamal-proxy/.apps-config " + h.publish +
				" --log-opt max-size=10m basecamp/kamal-proxy:v0.9.2 run " + h.ports(),
			"run --detach --restart unless-stopped --name " + name + " --network kamal --hostname server-4d2f6a1b9c3e" +
				" --env KAMAL_CONTAINER_NAME=" + name + " --env KAMAL_VERSION=" + v1 + " --env KAMAL_HOST=" + h.address + " --env SECRET_KEY_BASE=" + s.secrets["SECRET_KEY_BASE"] +
				" --log-opt max-size=10m --label service=" + service + " --label role=web --label destination=" +
				" " + s.ground.registry() + "/" + service + ":" + v1,
		} {
			if _, err := h.docker(ctx, strings.Fields(line)...); err != nil {
				return "", err
			}
		}
		id, err := h.docker(ctx, "ps", "-q", "--filter", "name=^"+name+"$")
		if err != nil {
			return "", err
		}
		deploy := "exec kamal-proxy kamal-proxy deploy " + service + "-web --target=" + strings.TrimSpace(id) + ":80" +
			" --deploy-timeout=30s --drain-timeout=30s --health-check-interval=1s --health-check-timeout=2s --health-check-path=/up" +
			" --target-timeout=30s --buffer-requests --buffer-responses --forward-headers"
		if _, err := h.docker(ctx, strings.Fields(deploy)...); err != nil {
			return "", err
		}
	}
	return "docker run --name " + name + " …; kamal-proxy deploy " + service + "-web …", nil
}

// answers is a step that waits until every server answers the version.
func (s *stage) answers(version string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		for _, h := range s.ground.servers() {
			if err := untilAnswers(ctx, actor.Site{Address: h.site}, version); err != nil {
				return "", err
			}
		}
		return "", nil
	}
}

// untilAnswers waits for an answer for at most a minute.
func untilAnswers(ctx context.Context, at actor.Site, want string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("for a minute"))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := actor.NewClient()
	for {
		got, err := actor.Get(ctx, client, at, "/version")
		if err == nil && got == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s should answer %q; it answered %q (%v), %w", at.Address, want, got, err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (s *stage) startTraffic(context.Context) (string, error) {
	var sites []actor.Site
	for _, h := range s.ground.servers() {
		sites = append(sites, actor.Site{Address: h.site})
	}
	s.traffic = actor.StartTraffic(sites)
	return "", nil
}

// commit is a step that pushes a deploy.yml with the version to Git.
func (s *stage) commit(version string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if s.repo == nil {
			url, err := s.ground.repository(ctx)
			if err != nil {
				return "", err
			}
			if s.repo, err = actor.NewRepository(url); err != nil {
				return "", err
			}
		}
		hash, err := s.repo.Push(ctx, "Deploy "+version, map[string]string{
			"config/deploy.yml": deployYML(s.ground, version),
		})
		if err != nil {
			return "", err
		}
		s.head = hash
		return "commit " + hash[:7], nil
	}
}

func (s *stage) noneFailed(context.Context) (string, error) {
	seen := s.traffic.Count()
	if seen.Failed > 0 || seen.Sent == 0 {
		return "", fmt.Errorf("%s, the first one: %v", seen, seen.First)
	}
	return seen.String(), nil
}

func (s *stage) noneLeaked(context.Context) (string, error) {
	found, err := actor.Left(filepath.Join(s.dir, "data"), s.daemon.Log, s.inbox, s.secrets)
	if err == nil && len(found) > 0 {
		err = errors.New(strings.Join(found, "; "))
	}
	return "", err
}

// invite says what there is to look at, and how to push one's own commit.
func (s *stage) invite() {
	h := s.ground.servers()[0]
	fmt.Fprintf(s.out, `
All of it runs until Ctrl-C. From another terminal:

  curl %s/version
%s  %[3]s status --config %[4]s
  %[3]s history --config %[4]s
  %[3]s explain --config %[4]s

Push a commit of your own, and watch it go live:

  git clone %[5]s %[6]s && cd %[6]s
  sed -i 's/demo:v[0-9]/demo:%[7]s/' config/deploy.yml
  git -c user.name=me -c user.email=me@example.com commit -am "Back to %[7]s" && git push

Then one that does not work, and watch it come back by itself:

  sed -i 's/demo:v[0-9]/demo:%[8]s/' config/deploy.yml
  git -c user.name=me -c user.email=me@example.com commit -am "Try %[8]s" && git push

What Fairlead says of it is told here:

`, h.site, s.ground.look(), s.daemon.Program, s.daemon.Conf, s.repo.URL, filepath.Join(s.dir, "mine"), v1, yours)
}

// clear ends and removes whatever the steps have made.
func (s *stage) clear() error {
	var errs []error
	if s.traffic != nil {
		s.traffic.Stop()
	}
	errs = append(errs, s.daemon.Stop())
	if s.inbox != nil {
		errs = append(errs, s.inbox.Close())
	}
	if s.ground != nil {
		errs = append(errs, s.ground.close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
