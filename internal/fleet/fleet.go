// Package fleet makes several real servers on one machine, to test and to
// show Fairlead on: each host is one outer container with an address, a disk,
// an sshd and a Docker engine of its own; beside them run one plain-HTTP image
// registry and one Git server. Cables can be cut, engines frozen, power pulled.
//
// Lives here: making, breaking and removing machines; images and repositories
// to put on them. May not live here: anything that knows Fairlead itself. The
// product never imports this package; tests and the demo do.
//
// How it is made: the host image holds empty folders and a small /etc only.
// The machine's own /usr is mounted read-only into every host, so the hosts
// run the very sshd, dockerd and docker that are installed here and share one
// page cache for them. Process 1 of each is ./hostinit. Hosts have no way out:
// no default route, and a resolver that knows the fleet's names only.
//
// It needs root on Linux with Docker and a merged /usr (any Debian or Ubuntu
// of the last years) and the Go toolchain; see Deps and Unpack.
package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options say what to start. The zero value is a registry and a Git server
// without hosts.
type Options struct {
	// Hosts is how many hosts to start: h1, h2 and so on. At most MaxHosts.
	Hosts int
	// Log hears what is started and removed. Nil: nobody.
	Log *slog.Logger
	// Dir is the folder for keys, repositories and state; it is made, and
	// removed by Close. Empty: a new folder below the system's temporary one.
	Dir string
	// Keep leaves the fleet running when this process ends, until Attach and
	// Close. Otherwise the next Start on this machine removes it then.
	Keep bool
	// Unpacked is a tree made by Unpack, laid over /usr inside the machines
	// for what this machine has not installed. Empty: all is installed.
	Unpacked string
	// DiskMB bounds the disk of each host (engine, homes and logs) in MiB,
	// kept in memory, so that FillDisk can fill it. Zero: a volume, unbounded.
	DiskMB int
	// RegistryUser and RegistryPassword are what the registry asks for, from
	// everybody and also for reading. Empty: nothing.
	RegistryUser, RegistryPassword string

	usr string // this machine's /usr; a test takes another
}

// MaxHosts is how many hosts one fleet can have.
const MaxHosts = 100

// Fleet is a running fleet. Its fields do not change after Start, except Hosts
// by AddHost. Its methods may be called from several goroutines.
type Fleet struct {
	// Run is the random id that all names of this fleet carry.
	Run string
	// Dir holds its keys, repositories and state.
	Dir string
	// Subnet is its own /24.
	Subnet netip.Prefix
	// Hosts are its servers in the order of their names.
	Hosts []*Host
	// User is who logs in with Key: "root". "deploy", a member of the group
	// docker without other rights, may too.
	User string
	// Key is the path of the private key (ed25519, OpenSSH format).
	Key string
	// KnownHosts is the path of a known_hosts file with the keys of all
	// machines, written when the keys were made and never scanned.
	KnownHosts string
	// Registry is the registry as the hosts see it, "10.x.y.2:5000".
	Registry string
	// RegistryLocal is the same registry as this machine sees it, at an address
	// that every engine and client takes for plain HTTP: "127.0.0.1:PORT".
	RegistryLocal string
	// RegistryMachine and GitMachine can be cut, paused and killed like hosts.
	RegistryMachine, GitMachine *Machine

	log  *slog.Logger
	opts Options
	mu   sync.Mutex // Hosts and the known_hosts file
}

// Start removes what dead runs left on this machine and starts a fleet. When
// it returns without an error all services of all machines answer. On an error
// nothing is left behind.
func Start(ctx context.Context, opts Options) (*Fleet, error) {
	if opts.Hosts < 0 || opts.Hosts > MaxHosts {
		return nil, fmt.Errorf("start fleet: %d hosts; between 0 and %d are possible", opts.Hosts, MaxHosts)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("start fleet: needs root (nested engines, mounts); try sudo")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.usr == "" {
		opts.usr = "/usr"
	}
	if err := Sweep(ctx); err != nil {
		opts.Log.Warn("left an old fleet behind", "err", err) // it is in nobody's way
	}
	f, err := newFleet(opts)
	if err != nil {
		return nil, err
	}
	if err := f.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start fleet: %w", err), f.Close())
	}
	return f, nil
}

func newFleet(opts Options) (*Fleet, error) {
	id := make([]byte, 3)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("make run id: %w", err)
	}
	f := &Fleet{Run: hex.EncodeToString(id), Dir: opts.Dir, User: "root", log: opts.Log, opts: opts}
	if f.Dir == "" {
		f.Dir = filepath.Join(os.TempDir(), "fairlead-fleet-"+f.Run)
	}
	dir, err := filepath.Abs(f.Dir)
	if err != nil {
		return nil, fmt.Errorf("name fleet folder: %w", err)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("start fleet: the folder %s is not empty; give an empty or a new one", dir)
	}
	f.Dir = dir
	for _, sub := range []string{"bin", "git", "machines"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("make fleet folder: %w", err)
		}
	}
	return f, nil
}

func (f *Fleet) start(ctx context.Context) error {
	begun := time.Now()
	var prepare errgroup.Group
	prepare.Go(func() error { return goBuild(ctx, modulePath+"/internal/fleet/hostinit", f.path("bin", "hostinit")) })
	prepare.Go(func() error { return f.makeImage(ctx) })
	prepare.Go(func() error { return f.makeNetwork(ctx) })
	if err := prepare.Wait(); err != nil {
		return err
	}
	f.nameMachines(f.opts.Hosts)
	if err := f.bootAll(ctx); err != nil {
		return err
	}
	f.log.Info("started fleet", "run", f.Run, "hosts", len(f.Hosts), "subnet", f.Subnet, "took", time.Since(begun).Round(time.Millisecond))
	return f.save()
}

// nameMachines fills in all that follows from the run id, the folder and the
// subnet.
func (f *Fleet) nameMachines(hosts int) {
	f.Key, f.KnownHosts = f.path("id_ed25519"), f.path("known_hosts")
	f.RegistryMachine, f.GitMachine = f.machine("registry", 2), f.machine("git", 3)
	f.Registry = f.RegistryMachine.Addr + ":5000"
	for i := range hosts {
		f.Hosts = append(f.Hosts, f.host(i+1))
	}
}

func (f *Fleet) bootAll(ctx context.Context) error {
	if err := writeKeyPair(f.Key); err != nil {
		return err
	}
	if err := f.makeRegistryFiles(); err != nil {
		return err
	}
	if err := f.GitMachine.makeFiles(f); err != nil {
		return err
	}
	for _, h := range f.Hosts {
		if err := h.makeFiles(f); err != nil {
			return err
		}
	}
	var g errgroup.Group
	g.SetLimit(8)
	g.Go(func() error { return f.runRegistry(ctx) })
	g.Go(func() error { return f.runGit(ctx) })
	for _, h := range f.Hosts {
		g.Go(func() error { return f.runHost(ctx, h) })
	}
	return g.Wait()
}

// AddHost starts one more host.
func (f *Fleet) AddHost(ctx context.Context) (*Host, error) {
	f.mu.Lock()
	number := len(f.Hosts) + 1
	if number > MaxHosts {
		f.mu.Unlock()
		return nil, fmt.Errorf("add host: a fleet has at most %d", MaxHosts)
	}
	h := f.host(number)
	f.Hosts = append(f.Hosts[:len(f.Hosts):len(f.Hosts)], h)
	err := h.makeFiles(f)
	f.mu.Unlock()
	if err == nil {
		err = f.runHost(ctx, h)
	}
	if err == nil {
		err = f.save()
	}
	if err != nil {
		return nil, fmt.Errorf("add host: %w", err)
	}
	return h, nil
}

// Close removes everything of this fleet: containers, disks, network, image
// and folder. It may be called again.
func (f *Fleet) Close() error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Minute, errors.New("removing the fleet took over 2 minutes"))
	defer cancel()
	if err := removeRun(ctx, f.Run, f.Dir); err != nil {
		return fmt.Errorf("remove fleet %s: %w; try again with `docker ps -a --filter label=%s=%s`", f.Run, err, labelRun, f.Run)
	}
	f.log.Info("removed fleet", "run", f.Run)
	return nil
}

func (f *Fleet) path(elements ...string) string {
	return filepath.Join(append([]string{f.Dir}, elements...)...)
}

// name is what the engine of this machine calls a thing of this fleet.
func (f *Fleet) name(thing ...string) string {
	return strings.Join(append([]string{"fairlead", f.Run}, thing...), "-")
}

// address is the nth address of the fleet's network.
func (f *Fleet) address(n byte) string {
	a := f.Subnet.Addr().As4()
	a[3] = n
	return netip.AddrFrom4(a).String()
}
