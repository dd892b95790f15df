package packaging

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/host/docker/dockertest"
)

// built is a release for this machine's architecture.
type built struct {
	dir, version, deb, image, program string
}

func build(t *testing.T) built {
	t.Helper()
	b := built{dir: t.TempDir(), version: "v0.0.0-" + strings.ToLower(dockertest.ID(t))}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./internal/packaging/cmd/release", "-version", b.version, "-out", b.dir, "-targets", "linux/"+runtime.GOARCH)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	name := "fairlead_" + b.version + "_linux_" + runtime.GOARCH
	output(t, b.dir, "tar", "-xzf", name+".tar.gz")
	b.program = filepath.Join(b.dir, name, "fairlead")
	b.image = filepath.Join(b.dir, name+".image.tar")
	debs, err := filepath.Glob(filepath.Join(b.dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages: %v %v", debs, err)
	}
	b.deb = debs[0]
	return b
}

func output(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// TestARelease builds once, as that takes longest; what was built is then
// used as its users would.
func TestARelease(t *testing.T) {
	b := build(t)
	t.Run("has checksums of all its files", func(t *testing.T) {
		if sums := output(t, b.dir, "sha256sum", "--check", "SHA256SUMS"); strings.Count(sums, ": OK\n") != 3 {
			t.Fatal(sums)
		}
	})
	t.Run("has an archive with all that is promised", func(t *testing.T) {
		for _, name := range []string{"LICENSE", "README.md", "fairlead.example.yml", "fairlead.service", "completions/fairlead.bash", "completions/fairlead.zsh", "completions/fairlead.fish", "man/fairlead.1", "man/fairlead-app-exec.1"} {
			if info, err := os.Stat(filepath.Join(filepath.Dir(b.program), name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := output(t, b.dir, b.program, "--version"); !strings.Contains(got, b.version) {
			t.Errorf("its version is %q", got)
		}
		output(t, b.dir, b.program, "check", "--offline", filepath.Join(filepath.Dir(b.program), "fairlead.example.yml"))
	})
	t.Run("has an image that an engine loads", func(t *testing.T) {
		e := dockertest.Engine(t)
		f, err := os.Open(b.image)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := e.Load(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Image(t.Context(), "fairlead:"+b.version); err != nil {
			t.Fatal(err)
		}
		if err := e.RemoveImage(t.Context(), "fairlead:"+b.version); err != nil {
			t.Error(err)
		}
	})
	t.Run("has a package that dpkg can install", func(t *testing.T) { installs(t, b.deb) })
	t.Run("has a daemon that tells systemd how it stands", func(t *testing.T) { notifies(t, b.program) })
}

// throwaway runs a script as root of a copy of this machine's file system that
// is gone afterwards: an overlay in a mount namespace of its own.
const throwaway = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$2" "$1/root/package.deb"
chroot "$1/root" /bin/sh -ec "$3"
`

const script = `
export DEBIAN_FRONTEND=noninteractive
rm -rf /etc/fairlead /var/lib/fairlead
dpkg -i /package.deb >/log 2>&1 || { cat /log; exit 1; }
echo "user $(getent passwd fairlead | cut -d: -f7)"
stat -c '%a %U %n' /etc/fairlead /etc/fairlead/fairlead.yml /etc/fairlead/known_hosts /etc/fairlead/id_ed25519 /var/lib/fairlead /usr/bin/fairlead
echo "enabled $(systemctl is-enabled fairlead.service)"
fairlead check --offline /etc/fairlead/fairlead.yml
dpkg --verify fairlead && echo verified
systemd-analyze verify --man=no /lib/systemd/system/fairlead.service && echo unit
echo '# mine' >>/etc/fairlead/fairlead.yml
key=$(cat /etc/fairlead/id_ed25519)
dpkg -i /package.deb >/log 2>&1 || { cat /log; exit 1; }
test "$key" = "$(cat /etc/fairlead/id_ed25519)" && grep -q '^# mine' /etc/fairlead/fairlead.yml && echo kept
dpkg -r fairlead >/log 2>&1 || { cat /log; exit 1; }
test -e /etc/fairlead/fairlead.yml && test ! -e /usr/bin/fairlead && echo removed
dpkg -P fairlead >/log 2>&1 || { cat /log; exit 1; }
test ! -e /etc/fairlead && test ! -e /var/lib/fairlead && ! getent passwd fairlead && echo purged
`

func installs(t *testing.T, deb string) {
	out := output(t, ".", "unshare", "--mount", "/bin/sh", "-ec", throwaway, "sh", t.TempDir(), deb, script)
	for _, want := range []string{
		"user /usr/sbin/nologin", "700 fairlead /etc/fairlead\n", "600 fairlead /etc/fairlead/fairlead.yml", "600 fairlead /etc/fairlead/known_hosts",
		"600 fairlead /etc/fairlead/id_ed25519", "700 fairlead /var/lib/fairlead", "755 root /usr/bin/fairlead", "enabled enabled",
		"ok   fairlead.yml", "verified", "unit", "kept", "removed", "purged",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// notifies runs the daemon as systemd would.
func notifies(t *testing.T, program string) {
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "fairlead.yml"), filepath.Join(dir, "notify")
	text := "repositories: {}\nlisten: none\nsocket: api\ndata_dir: data\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cmd := exec.CommandContext(t.Context(), program, "watch", "--config", file)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=600000")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen []string
	await := func(want string) {
		t.Helper()
		for buffer := make([]byte, 4096); ; {
			if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(buffer)
			if err != nil {
				t.Fatalf("no %s after %q: %v\n%s", want, seen, err, log.String())
			}
			state, _, _ := strings.Cut(string(buffer[:n]), "\n")
			if seen = append(seen, state); state == want {
				return
			}
		}
	}
	await("READY=1")
	if len(seen) != 1 {
		t.Errorf("before it was ready, it told %q", seen)
	}
	await("WATCHDOG=1")
	await("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("RELOADING=1")
	await("READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, log.String())
	}
	if slices.Contains(seen[:1], "STOPPING=1") {
		t.Errorf("it told %q", seen)
	}
}
