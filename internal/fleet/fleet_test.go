package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fairlead-deploy/fairlead/internal/fleet"
)

// start starts a fleet that is removed when the test ends.
func start(t *testing.T, opts fleet.Options) *fleet.Fleet {
	t.Helper()
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	f, err := fleet.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// do fails the test when a verb of the fleet fails.
func do(t *testing.T, verb func(context.Context) error) {
	t.Helper()
	if err := verb(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// get asks a host's port 80 over a fresh connection.
func get(t *testing.T, h *fleet.Host, path string) (string, error) {
	t.Helper()
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + h.Addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(body)), err
}

// eventually waits until ask gives want.
func eventually(t *testing.T, want string, ask func() (string, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := ask()
		if err == nil && got == want {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("got %q, %v for 20 seconds, want %q", got, err, want)
		case <-tick.C:
		}
	}
}

func TestHostsAreServersOfTheirOwn(t *testing.T) {
	ctx := t.Context()
	f := start(t, fleet.Options{Hosts: 2})
	h1, h2 := f.Hosts[0], f.Hosts[1]

	app := must[fleet.App](t)(fleet.BuildApp(ctx, t.TempDir()))
	digest := must[string](t)(f.Push(ctx, app.Image("v1", nil), "app:v1"))
	for _, h := range f.Hosts {
		must[string](t)(h.Docker(ctx, "run", "-d", "--name", "app", "--restart", "unless-stopped", "-p", "80:80", f.Registry+"/app:v1"))
	}

	t.Run("the application from the registry answers on every host", func(t *testing.T) {
		for _, h := range f.Hosts {
			eventually(t, "v1", func() (string, error) { return get(t, h, "/version") })
			out := must[string](t)(h.Docker(ctx, "image", "inspect", "-f", "{{index .RepoDigests 0}}", f.Registry+"/app:v1"))
			if !strings.Contains(out, digest) {
				t.Errorf("%s runs %s, pushed was %s", h.Name, out, digest)
			}
		}
	})
	t.Run("nothing listens beyond this machine", func(t *testing.T) { listensHereOnly(t, f) })
	t.Run("ssh lets root and deploy in by key and shows the keys of known_hosts", func(t *testing.T) { sshWithStrictKeys(t, f) })
	t.Run("ssh connections and sessions are counted", func(t *testing.T) {
		before, sessions := count(t, h2)
		for range 2 {
			must[string](t)(h2.SSH(ctx, "true"))
		}
		after, sessionsAfter := count(t, h2)
		if after-before != 2 || sessionsAfter-sessions != 2 {
			t.Errorf("counted %d connections and %d sessions, want 2 and 2", after-before, sessionsAfter-sessions)
		}
	})
	t.Run("nothing on a host reaches the outside", func(t *testing.T) {
		if out := must[string](t)(h1.SSH(ctx, "ip route show default")); out != "" {
			t.Errorf("default route: %s", out)
		}
		if out, err := h1.SSH(ctx, "getent hosts example.com"); err == nil {
			t.Errorf("example.com is known as %s", out)
		}
		if out := must[string](t)(h1.SSH(ctx, "getent hosts registry")); !strings.HasPrefix(f.Registry, strings.Fields(out)[0]) {
			t.Errorf("registry is known as %s, want %s", out, f.Registry)
		}
	})
	t.Run("a cut host is silent and the others are not", func(t *testing.T) {
		do(t, h1.Cut)
		if out, err := get(t, h1, "/version"); !isTimeout(err) {
			t.Errorf("answered %q, %v; want a timeout", out, err)
		}
		if got := must[string](t)(get(t, h2, "/version")); got != "v1" {
			t.Errorf("h2 answers %q", got)
		}
		do(t, h1.Heal)
		eventually(t, "v1", func() (string, error) { return get(t, h1, "/version") })
	})
	t.Run("an unplugged host has no interface until it is plugged in", func(t *testing.T) {
		do(t, h1.Unplug)
		if out := must[string](t)(h1.Exec(ctx, "ip", "-o", "-4", "addr")); strings.Contains(out, h1.Addr+"/") {
			t.Errorf("still has its address: %s", out)
		}
		do(t, h1.Plug)
		eventually(t, "v1", func() (string, error) { return get(t, h1, "/version") })
		if out := must[string](t)(h1.SSH(ctx, "ip route show default")); out != "" {
			t.Errorf("the cable brought a default route: %s", out)
		}
		do(t, h1.Cut) // the interface has another name now
		if _, err := get(t, h1, "/version"); !isTimeout(err) {
			t.Errorf("cut after plug: %v, want a timeout", err)
		}
		do(t, h1.Heal)
	})
	t.Run("a paused host freezes with its containers", func(t *testing.T) {
		do(t, h1.Pause)
		if out, err := get(t, h1, "/version"); !isTimeout(err) {
			t.Errorf("answered %q, %v; want a timeout", out, err)
		}
		do(t, h1.Resume)
		eventually(t, "v1", func() (string, error) { return get(t, h1, "/version") })
	})
	t.Run("a frozen engine leaves its containers alone", func(t *testing.T) {
		do(t, h1.FreezeEngine)
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		if out, err := h1.Docker(short, "ps"); err == nil {
			t.Errorf("the engine answered %q", out)
		}
		if got := must[string](t)(get(t, h1, "/version")); got != "v1" {
			t.Errorf("the application answers %q", got)
		}
		do(t, h1.ThawEngine)
		must[string](t)(h1.Docker(ctx, "ps"))
	})
	t.Run("a stopped engine takes its containers with it, sshd stays", func(t *testing.T) {
		do(t, h1.StopEngine)
		if out, err := get(t, h1, "/version"); err == nil {
			t.Errorf("the application answers %q", out)
		}
		must[string](t)(h1.SSH(ctx, "true"))
		do(t, h1.StartEngine)
		eventually(t, "v1", func() (string, error) { return get(t, h1, "/version") })
	})
	t.Run("a power cut keeps the key, the address and the disk", func(t *testing.T) {
		do(t, h1.Kill)
		if out, err := get(t, h1, "/version"); err == nil {
			t.Errorf("the application answers %q", out)
		}
		do(t, h1.Boot)
		must[string](t)(h1.SSH(ctx, "true")) // strict: another key would fail
		eventually(t, "v1", func() (string, error) { return get(t, h1, "/version") })
	})
	t.Run("a host can join later", func(t *testing.T) {
		h3 := must[*fleet.Host](t)(f.AddHost(ctx))
		must[string](t)(h3.SSH(ctx, "docker pull -q "+f.Registry+"/app:v1"))
		if len(f.Hosts) != 3 || h3.Name != "h3" {
			t.Errorf("%d hosts, the last one %s", len(f.Hosts), h3.Name)
		}
	})
	t.Run("an image can be loaded without the registry", func(t *testing.T) {
		if err := h2.Load(ctx, app.Image("v9", nil), "loaded:v9"); err != nil {
			t.Fatal(err)
		}
		if out := must[string](t)(h2.Docker(ctx, "image", "inspect", "-f", "{{.Config.Env}}", "loaded:v9")); out != "[VERSION=v9]\n" {
			t.Errorf("its environment is %q", out)
		}
	})
}

func count(t *testing.T, h *fleet.Host) (connections, sessions int) {
	t.Helper()
	connections, sessions, err := h.SSHCount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return connections, sessions
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func sshWithStrictKeys(t *testing.T, f *fleet.Fleet) {
	h1, h2 := f.Hosts[0], f.Hosts[1]
	for _, user := range []string{"root", "deploy"} {
		client := must[*ssh.Client](t)(h1.Dial(t.Context(), user))
		session := must[*ssh.Session](t)(client.NewSession())
		out := must[[]byte](t)(session.CombinedOutput("id -un && docker ps -q"))
		if !strings.HasPrefix(string(out), user+"\n") {
			t.Errorf("logged in as %s, am %q", user, out)
		}
		client.Close()
	}
	// A known_hosts that has h2's key for h1 must be refused.
	known := must[[]byte](t)(os.ReadFile(f.KnownHosts))
	var wrong bytes.Buffer
	for line := range strings.Lines(string(known)) {
		if rest, ok := strings.CutPrefix(line, h2.Addr+" "); ok {
			fmt.Fprint(&wrong, h1.Addr+" "+rest)
		}
	}
	path := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(path, wrong.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := must[ssh.HostKeyCallback](t)(knownhosts.New(path))
	_, err := ssh.Dial("tcp", h1.SSHAddr(), &ssh.ClientConfig{User: "root", HostKeyCallback: verify, Timeout: 5 * time.Second})
	var refused *knownhosts.KeyError
	if !errors.As(err, &refused) || len(refused.Want) != 1 {
		t.Errorf("with another host's key: %v, want a refusal that names the key it wants", err)
	}
}

func TestRepositoriesTakePushesOverEveryTransport(t *testing.T) {
	ctx := t.Context()
	f := start(t, fleet.Options{})
	repo := must[*fleet.Repo](t)(f.NewRepo(ctx, "shop"))
	work := t.TempDir()
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", work, "-c", "user.name=Ana", "-c", "user.email=ana@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+work,
			"GIT_SSH_COMMAND=ssh -i "+f.Key+" -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile="+f.KnownHosts)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), err
	}
	must[string](t)(git("init", "-q", "-b", "main"))
	for _, url := range []string{repo.HTTP, repo.SSH, repo.File, repo.SSH, repo.HTTP} {
		must[string](t)(git("commit", "-q", "--allow-empty", "-m", "by "+url))
		must[string](t)(git("push", "-q", url, "main"))
		head := must[string](t)(git("rev-parse", "HEAD"))
		for _, from := range []string{repo.HTTP, repo.SSH, repo.File} {
			if refs := must[string](t)(git("ls-remote", from, "refs/heads/main")); !strings.HasPrefix(refs, head) {
				t.Errorf("after a push to %s, %s has %s, want %s", url, from, refs, head)
			}
		}
	}

	fetch := []string{"clone", "-q", "--bare", "--filter=blob:none", repo.HTTP}
	if out := must[string](t)(git(append(fetch, "plain.git")...)); !strings.Contains(out, "filtering not recognized") {
		t.Errorf("a server that allows no filter said %q", out)
	}
	if err := repo.Set(ctx, "uploadpack.allowFilter", "true"); err != nil {
		t.Fatal(err)
	}
	if out := must[string](t)(git(append(fetch, "filtered.git")...)); out != "" {
		t.Errorf("a server that allows filters said %q", out)
	}
}

func TestTwoFleetsNeverMeetAndLeaveNothing(t *testing.T) {
	ctx := t.Context()
	a, b := start(t, fleet.Options{Hosts: 1}), start(t, fleet.Options{Hosts: 1})
	if a.Subnet.Overlaps(b.Subnet) || a.RegistryLocal == b.RegistryLocal || a.Dir == b.Dir {
		t.Fatalf("fleets share something: %+v %+v", a, b)
	}
	reach := func(addr string) error {
		_, err := a.Hosts[0].Exec(ctx, "timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/$0/22", addr)
		return err
	}
	if err := reach(a.GitMachine.Addr); err != nil {
		t.Errorf("a host does not reach its own Git server: %v", err)
	}
	if err := reach(b.GitMachine.Addr); err == nil {
		t.Error("a host of one fleet reaches the other's Git server")
	}
	if _, err := a.Hosts[0].SSH(ctx, "true"); err != nil {
		t.Error(err)
	}
	if err := fleet.Sweep(ctx); err != nil { // ours live: they stay
		t.Error(err)
	}
	if err := a.Hosts[0].Pause(ctx); err != nil { // also what is frozen goes
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, a); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if left := leftovers(t, b); !strings.Contains(left, "fairlead-"+b.Run+"-h1") {
		t.Errorf("the other fleet lost something, there is only: %s", left)
	}
	if _, err := b.Hosts[0].SSH(ctx, "true"); err != nil {
		t.Error(err)
	}
}

// leftovers are the names of all things in the engine, and of files, that
// carry the fleet's run id.
func leftovers(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	var all []string
	for _, list := range [][]string{
		{"ps", "-a", "--format", "{{.Names}}"}, {"network", "ls", "--format", "{{.Name}}"},
		{"volume", "ls", "--format", "{{.Name}}"}, {"image", "ls", "--format", "{{.Repository}}"},
	} {
		out := must[[]byte](t)(exec.CommandContext(t.Context(), "docker", list...).Output())
		for name := range strings.FieldsSeq(string(out)) {
			if strings.Contains(name, f.Run) {
				all = append(all, name)
			}
		}
	}
	if _, err := os.Stat(f.Dir); err == nil {
		all = append(all, f.Dir)
	}
	return strings.Join(all, " ")
}

func TestABoundedDiskFillsAndIsFreed(t *testing.T) {
	f := start(t, fleet.Options{Hosts: 1, DiskMB: 64})
	h := f.Hosts[0]
	do(t, h.FillDisk)
	for _, dir := range []string{"/root", "/home/deploy", "/var/lib/docker"} {
		if _, err := h.SSH(t.Context(), "head -c 100000 /dev/zero > "+dir+"/x"); err == nil {
			t.Errorf("%s takes a file on a full disk", dir)
		}
	}
	do(t, h.FreeDisk)
	do(t, h.Kill)
	do(t, h.Boot)
	if out := must[string](t)(h.SSH(t.Context(), "ls /root")); out != "x\n" {
		t.Errorf("after a power cut the disk holds %q", out)
	}
}

func TestARegistryWithAPasswordWantsIt(t *testing.T) {
	ctx := t.Context()
	f := start(t, fleet.Options{Hosts: 1, RegistryUser: "ana", RegistryPassword: "s3cret"})
	h := f.Hosts[0]
	app := must[fleet.App](t)(fleet.BuildApp(ctx, t.TempDir()))
	must[string](t)(f.Push(ctx, app.Image("v1", nil), "app:v1"))
	if out, err := h.Docker(ctx, "pull", f.Registry+"/app:v1"); err == nil {
		t.Errorf("a pull without the password said %q", out)
	}
	if out, err := h.Docker(ctx, "login", "-u", "ana", "-p", "guess", f.Registry); err == nil {
		t.Errorf("a wrong password was taken: %q", out)
	}
	must[string](t)(h.Docker(ctx, "login", "-u", "ana", "-p", "s3cret", f.Registry))
	must[string](t)(h.Docker(ctx, "pull", f.Registry+"/app:v1"))
}

func TestAKeptFleetCanBeTakenUpAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fleet")
	kept := start(t, fleet.Options{Hosts: 1, Dir: dir, Keep: true})
	f := must[*fleet.Fleet](t)(fleet.Attach(dir, nil))
	must[string](t)(f.Hosts[0].SSH(t.Context(), "true"))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, kept); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if _, err := fleet.Attach(dir, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("took up a fleet that is gone: %v", err)
	}
}

func TestAFullDiskIsNeverThisMachines(t *testing.T) {
	f := start(t, fleet.Options{Hosts: 1})
	if err := f.Hosts[0].FillDisk(t.Context()); err == nil || !strings.Contains(err.Error(), "DiskMB") {
		t.Errorf("got %v, want a refusal that names the option", err)
	}
}
