package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/container"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/route"
	"github.com/fairlead-deploy/fairlead/deployer/traefik"
	"github.com/fairlead-deploy/fairlead/release"
	"github.com/fairlead-deploy/fairlead/server/client"
)

const (
	// enoughDisk is for the history and copies of repositories.
	enoughDisk = 256 << 20
	// mostSkew is what locks, valid 30 s, can bear.
	mostSkew   = 5 * time.Second
	askTimeout = 5 * time.Second // the daemon
)

// Doctor looks at the daemon's side of a configuration and, given the survey
// of Check, deeper into each host.
func Doctor(ctx context.Context, c *config.Config, r *daemon.Reach, s Survey) Findings {
	var fs Findings
	askDaemon(ctx, &fs, c)
	dataDir(&fs, c.DataDir)
	privateFiles(&fs, c)
	deep := make([]Findings, len(s.Hosts))
	each(len(s.Hosts), func(i int) {
		if h := &s.Hosts[i]; h.Err == nil {
			deep[i] = examine(ctx, r, h)
		}
	})
	for _, f := range deep {
		fs = append(fs, f...)
	}
	return fs
}

func askDaemon(ctx context.Context, fs *Findings, c *config.Config) {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	cl := client.New(c.Socket)
	defer cl.Close()
	status, err := cl.Status(ctx)
	switch {
	case errors.Is(err, client.ErrNoDaemon):
		fs.fail("daemon", "`systemctl start fairlead`, or run `fairlead watch`; as another user, use sudo", "none answers at %s", c.Socket)
	case err != nil:
		fs.fail("daemon", "`journalctl -u fairlead` tells why", "%v", err)
	case len(status.Alerts) > 0:
		fs.fail("daemon", "`fairlead status` shows them", "answers at %s, with %s", c.Socket, release.Count(len(status.Alerts), "open alert"))
	default:
		fs.ok("daemon", "answers at %s: %s", c.Socket, status.Summary)
	}
	for _, r := range status.Refused {
		if text := r.Sentence(status.At); text != "" {
			fs.fail(strings.TrimSpace("webhook "+r.Repo), r.Remedy(), "%s", text)
		}
	}
}

func dataDir(findings *Findings, dir string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		findings.fail("data_dir", "`fairlead install` makes it, else the first `fairlead watch`", "%s does not exist", dir)
		return
	case err != nil:
		findings.failed("data_dir", err)
		return
	case info.Mode().Perm()&0o077 != 0:
		findings.fail("data_dir", "chmod 700 "+dir, "%s can be read by others (mode %04o)", dir, info.Mode().Perm())
	default:
		findings.ok("data_dir", "%s is private", dir)
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		findings.failed("data_dir", fmt.Errorf("ask for free space: %w", err))
		return
	}
	free := stat.Bavail * uint64(stat.Bsize)
	if free < enoughDisk {
		findings.fail("data_dir", "make room there", "only %d MiB are free", free>>20)
		return
	}
	findings.ok("data_dir", "%d MiB are free", free>>20)
}

// privateFiles looks at the modes of keys, secrets and known_hosts.
func privateFiles(findings *Findings, c *config.Config) {
	var private []string
	private = append(private, c.SSH.Keys...)
	for _, h := range c.Hosts {
		private = append(private, h.Key)
	}
	for _, r := range c.Repositories {
		private = append(private, r.Auth.SSHKey, r.Secrets.File)
	}
	wrong := len(*findings)
	for _, f := range unique(private) {
		mode(findings, f, 0o077, "600", "can be read by others")
	}
	for _, f := range unique(c.SSH.KnownHosts) {
		mode(findings, f, 0o022, "600", "can be written by others, who could make Fairlead trust their machines")
	}
	if len(*findings) == wrong {
		findings.ok("files", "keys, secrets and known_hosts are private")
	}
}

func mode(findings *Findings, file string, never os.FileMode, should, what string) {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Missing keys and secrets fail where they are needed, with a remedy.
	case err != nil:
		findings.failed(filepath.Base(file), err)
	case info.Mode().Perm()&never != 0:
		findings.fail(filepath.Base(file), "chmod "+should+" "+file, "%s (mode %04o)", what, info.Mode().Perm())
	}
}

func unique(list []string) []string {
	seen := map[string]bool{"": true}
	var out []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// examine looks at what a host that answers is like: how its engine is
// reached, its clock, its proxy.
func examine(ctx context.Context, r *daemon.Reach, h *HostState) Findings {
	ctx, cancel := context.WithTimeoutCause(ctx, hostTimeout, fmt.Errorf("no answer within %s", hostTimeout))
	defer cancel()
	var fs Findings
	conn, err := r.Host(ctx, h.Address)
	if err != nil {
		fs.failed(h.Name, err)
		return fs
	}
	door(ctx, &fs, conn, h.Address)
	proxyKind(ctx, &fs, conn)
	return fs
}

// door tells whether sshd forwards the engine's socket, and takes the host's
// clock from the engine's answer.
func door(ctx context.Context, fs *Findings, h *host.Host, a host.Address) {
	socket := a.Socket
	if socket == "" {
		socket = host.DefaultSocket
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return h.Dial(ctx, "unix", socket)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		fs.failed(h.Name(), err)
		return
	}
	began := time.Now()
	resp, err := transport.RoundTrip(req)
	stdio := errors.Is(err, ssh.ErrRefused) || errors.Is(err, ssh.ErrProhibited)
	if stdio {
		fs.ok(h.Name(), "sshd does not forward the engine's socket; `docker system dial-stdio` is used, which is slower (AllowStreamLocalForwarding and AllowTcpForwarding in sshd_config)")
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return h.DialEngine(ctx) }
		began = time.Now()
		resp, err = transport.RoundTrip(req)
	}
	switch {
	case err != nil:
		fs.failed(h.Name(), fmt.Errorf("ask the engine through its socket: %w", err))
		return
	case !stdio && !h.IsLocal():
		fs.ok(h.Name(), "sshd forwards the engine's socket")
	}
	defer resp.Body.Close()
	clock(fs, h.Name(), resp.Header.Get("Date"), began, time.Now())
}

// clock compares a host's time, to the second, with ours while it was asked.
func clock(fs *Findings, name, date string, from, to time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return // the engine said none
	}
	var skew time.Duration
	switch {
	case at.Before(from.Truncate(time.Second)):
		skew = at.Sub(from)
	case at.After(to):
		skew = at.Sub(to)
	}
	if skew.Abs() > mostSkew {
		fs.fail(name, "let NTP set it (timedatectl set-ntp true)", "its clock is off by %s", skew.Round(time.Second))
		return
	}
	fs.ok(name, "its clock agrees")
}

func proxyKind(ctx context.Context, fs *Findings, h *host.Host) {
	c, err := h.Engine().Inspect(ctx, route.Container)
	none := errors.Is(err, docker.ErrNotFound)
	if none || err == nil && !c.State.IsUp() {
		t, wrong := h.Engine().Inspect(ctx, traefik.Container)
		switch {
		case wrong == nil && (t.State.IsUp() || none && traefik.Ours(t)):
			list, err := h.Files().ReadDir(ctx, traefik.Folder)
			traefikKind(fs, h.Name(), t, list, err)
			return
		case wrong != nil && !errors.Is(wrong, docker.ErrNotFound):
			fs.failed(h.Name(), wrong)
			return
		}
	}
	switch {
	case none:
		fs.ok(h.Name(), "no proxy yet; the first release that needs one starts Fairlead's own")
	case err != nil:
		fs.failed(h.Name(), err)
	case !c.State.IsUp():
		fs.fail(h.Name(), "`docker logs "+route.Container+"` there tells why, `docker start "+route.Container+"` starts it", "its proxy does not run")
	case c.Spec.Labels[route.LabelOurs] != "":
		fs.ok(h.Name(), "Fairlead's proxy %s runs", c.Spec.Labels[route.LabelOurs])
	default:
		fs.ok(h.Name(), "kamal-proxy runs (%s)", c.Spec.Image)
	}
}

// traefikKind tells of a host's Traefik, and what its folder of services' files
// has: without the folder it serves nobody whom Fairlead deploys.
func traefikKind(findings *Findings, host string, c container.Observed, list []fs.FileInfo, err error) {
	routes := 0
	for _, f := range list {
		if _, ok := traefik.NameOf(f.Name()); ok {
			routes++
		}
	}
	switch {
	case !c.State.IsUp():
		findings.fail(host, "`docker logs "+traefik.Container+"` there tells why, `docker start "+traefik.Container+"` starts it", "its Traefik does not run")
	case !traefik.Ours(c):
		findings.ok(host, "Traefik runs (%s), not started by Fairlead: it knows containers by their labels alone", c.Spec.Image)
	case !traefik.Read(c).Reads():
		findings.fail(host, "`fairlead proxy reboot` starts one that does", "its Traefik (%s) does not read Fairlead's files", c.Spec.Image)
	case errors.Is(err, fs.ErrNotExist):
		findings.fail(host, "`fairlead proxy reboot` makes it, `fairlead deploy` fills it", "Traefik runs (%s), but ~/%s, which it reads, is not there", c.Spec.Image, traefik.Folder)
	case err != nil:
		findings.failed(host, fmt.Errorf("list Traefik's files: %w", err))
	default:
		findings.ok(host, "Traefik runs (%s) and reads %s", c.Spec.Image, release.Count(routes, "route"))
	}
}
