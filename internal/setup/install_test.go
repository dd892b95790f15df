package setup

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/daemon/config"
)

// machine is a place to install to. Its users are those of the real one and
// those that useradd made; programs are noted, not run.
type machine struct {
	Installation
	ran []string
	out bytes.Buffer
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root := t.TempDir()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{}
	self := filepath.Join(root, "download")
	writeText(t, self, "program 1")
	m.Installation = Installation{
		User: "fairlead", Dir: filepath.Join(root, "etc/fairlead"), DataDir: filepath.Join(root, "var/fairlead"),
		Program: filepath.Join(root, "bin/fairlead"), Unit: filepath.Join(root, "fairlead.service"), Self: self, Random: rand.Reader,
		Run: func(_ context.Context, argv ...string) error {
			m.ran = append(m.ran, strings.Join(argv, " "))
			return nil
		},
		Lookup: func(name string) (*user.User, error) {
			made := slices.ContainsFunc(m.ran, func(s string) bool { return strings.HasPrefix(s, "useradd ") && strings.HasSuffix(s, " "+name) })
			if !made || slices.Contains(m.ran, "userdel "+name) {
				return nil, user.UnknownUserError(name)
			}
			return &user.User{Uid: me.Uid, Gid: me.Gid}, nil
		},
		Console: Console{Out: &m.out},
	}
	return m
}

func TestInstallMakesAPrivateInstallation(t *testing.T) {
	m := newMachine(t)
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		m.Dir: 0o700, m.DataDir: 0o700, filepath.Join(m.Dir, "secrets"): 0o700, filepath.Join(m.Dir, "fairlead.yml"): 0o600, filepath.Join(m.Dir, "known_hosts"): 0o600,
		filepath.Join(m.Dir, "id_ed25519"): 0o600, m.Program: 0o755, m.Unit: 0o644,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, want mode %o", path, err, mode)
		}
	}
	c, err := config.Load(filepath.Join(m.Dir, "fairlead.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Repositories) != 0 || c.DataDir != m.DataDir || !slices.Equal(c.SSH.Keys, []string{filepath.Join(m.Dir, "id_ed25519")}) {
		t.Errorf("the configuration is %+v", c)
	}
	if want := "useradd --system"; len(m.ran) != 2 || !strings.HasPrefix(m.ran[0], want) || m.ran[1] != "systemctl daemon-reload" {
		t.Errorf("it ran %q", m.ran)
	}
	for _, next := range []string{"fairlead repo add", "fairlead check", "systemctl enable --now fairlead"} {
		if !strings.Contains(m.out.String(), next) {
			t.Errorf("it does not say %q", next)
		}
	}
}

func TestInstallAgainOnlyUpgrades(t *testing.T) {
	m := newMachine(t)
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	edited := "# edited\nrepositories: {}\n"
	writeText(t, filepath.Join(m.Dir, "fairlead.yml"), edited)
	key := readText(t, filepath.Join(m.Dir, "id_ed25519"))
	m.ran = m.ran[:1]
	m.out.Reset()
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.out.String(), "done ") || len(m.ran) != 1 {
		t.Fatalf("it did again:\n%s%q", m.out.String(), m.ran)
	}
	writeText(t, m.Self, "program 2")
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if readText(t, m.Program) != "program 2" || readText(t, filepath.Join(m.Dir, "fairlead.yml")) != edited || readText(t, filepath.Join(m.Dir, "id_ed25519")) != key {
		t.Fatal("it did not only upgrade the program")
	}
}

func TestPrintDoesNothing(t *testing.T) {
	m := newMachine(t)
	m.Print = true
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Dir); !os.IsNotExist(err) || len(m.ran) != 0 || !strings.Contains(m.out.String(), "would ") {
		t.Fatalf("%v %q\n%s", err, m.ran, m.out.String())
	}
}

func TestUninstallLeavesWhatIsTheOperators(t *testing.T) {
	m := newMachine(t)
	if err := m.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.ran = m.ran[:1]
	if err := m.Uninstall(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{m.Program, m.Unit} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there", gone)
		}
	}
	readText(t, filepath.Join(m.Dir, "fairlead.yml"))
	if !slices.Equal(m.ran[1:], []string{"systemctl disable --now fairlead.service", "systemctl daemon-reload"}) {
		t.Errorf("it ran %q", m.ran[1:])
	}
	if !strings.Contains(m.out.String(), "were not touched") {
		t.Errorf("it says\n%s", m.out.String())
	}
	if err := m.Uninstall(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Dir); !os.IsNotExist(err) || m.ran[len(m.ran)-1] != "userdel fairlead" {
		t.Errorf("%v, it ran %q", err, m.ran)
	}
}

func TestPurgeSparesFoldersThatAreNotOurs(t *testing.T) {
	m := newMachine(t)
	m.Dir = filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(m.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Uninstall(t.Context(), true); err == nil || !strings.Contains(err.Error(), "yourself") {
		t.Fatalf("error %v", err)
	}
	if ours("/etc") || ours("/") {
		t.Error("the system's folders are not ours")
	}
}

func TestInstallRefusesOddNames(t *testing.T) {
	for _, change := range []func(*machine){
		func(m *machine) { m.User = "-r" }, func(m *machine) { m.User = "a b" }, func(m *machine) { m.Dir = "etc" },
	} {
		m := newMachine(t)
		change(m)
		if err := m.Install(t.Context()); err == nil || len(m.ran) != 0 {
			t.Errorf("%v %q", err, m.ran)
		}
	}
}

func TestWithoutSystemdNothingIsHalfInstalledAndLeftoversCanGo(t *testing.T) {
	m := newMachine(t)
	m.NoSystemd = true
	if err := m.Install(t.Context()); err == nil || !strings.Contains(err.Error(), "`fairlead watch`") {
		t.Errorf("installing says %v", err)
	}
	if _, err := os.Stat(m.Dir); err == nil || len(m.ran) > 0 {
		t.Errorf("it began all the same: %v, %q", err, m.ran)
	}
	for _, path := range []string{m.Unit, m.Program} { // of an image that once had it
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeText(t, path, "left")
	}
	if err := m.Uninstall(t.Context(), false); err != nil || len(m.ran) > 0 {
		t.Errorf("uninstalling: %v, ran %q", err, m.ran)
	}
	if _, err := os.Stat(m.Unit); err == nil {
		t.Error("the unit is still there")
	}
}
