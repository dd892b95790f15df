package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/internal/systemd"
)

// commandTimeout bounds a program such as useradd.
const commandTimeout = time.Minute

// An Installation is what `install` makes and `uninstall` takes away. All
// paths are absolute.
type Installation struct {
	User    string
	Dir     string // of fairlead.yml
	DataDir string
	Program string // where the program is put
	Unit    string // the unit's file; "" for none
	// Self is the program that is running, to be copied.
	Self string
	// Run runs a program of the system as root: useradd, systemctl.
	Run func(ctx context.Context, argv ...string) error
	// Lookup finds a user; os/user's Lookup.
	Lookup func(name string) (*user.User, error)
	Random io.Reader // cryptographic
	// NoSystemd: this machine is not run by systemd, which a unit needs.
	NoSystemd bool
	// Print only says what would be done.
	Print   bool
	Console Console
}

// Defaults of an Installation.
const (
	DefaultUser    = "fairlead"
	DefaultDir     = "/etc/fairlead"
	DefaultProgram = "/usr/local/bin/fairlead"
	DefaultUnit    = "/etc/systemd/system/" + systemd.UnitName
)

// secretsDir is the folder of secrets beside fairlead.yml. It is the service
// user's from the start: what root writes in it later gets his as its owner.
const secretsDir = "secrets"

// RunProgram is Installation.Run on a real machine.
func RunProgram(ctx context.Context, argv ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, commandTimeout, fmt.Errorf("no end within %s", commandTimeout))
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out[:min(len(out), 1000)]))
	}
	return nil
}

// A step is one thing to do; done tells that it needs no doing.
type step struct {
	what string
	done func() (bool, error)
	do   func(ctx context.Context) error
}

var userForm = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`) // useradd(8)

// Install makes the user, folders, key, configuration, program and unit. What
// is there stays as it is, but for the program and the unit, which are brought
// up to date: running it again is how to upgrade.
func (in Installation) Install(ctx context.Context) error {
	if !userForm.MatchString(in.User) {
		return fmt.Errorf("install: %q is no name for a user", in.User)
	}
	for _, p := range []string{in.Dir, in.DataDir, in.Program} {
		if !filepath.IsAbs(p) {
			return fmt.Errorf("install: %q is no absolute path", p)
		}
	}
	if in.NoSystemd && in.Unit != "" && !in.Print {
		return errors.New("install: this machine is not run by systemd, so that nothing was done; have what starts its services start `fairlead watch`, or run it in a container (examples/sidecar)")
	}
	if err := in.steps(ctx, in.installSteps()); err != nil {
		return fmt.Errorf("install: %w", err)
	}
	in.next()
	return nil
}

func (in Installation) steps(ctx context.Context, list []step) error {
	for _, s := range list {
		done, err := s.done()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", s.what, err)
		case done:
			in.Console.Printf("is so    %s\n", s.what)
			continue
		case in.Print:
			in.Console.Printf("would    %s\n", s.what)
			continue
		}
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		in.Console.Printf("done     %s\n", s.what)
	}
	return nil
}

func (in Installation) installSteps() []step {
	list := []step{
		in.userStep(),
		in.folder(in.Dir),
		in.folder(in.DataDir),
		in.folder(filepath.Join(in.Dir, secretsDir)),
		in.file(in.config(), Starter(in.DataDir)),
		in.file(filepath.Join(in.Dir, "known_hosts"), ""),
		in.keyStep(),
		in.programStep(),
	}
	if in.Unit == "" {
		return list
	}
	return append(list, in.unitStep())
}

func (in Installation) config() string { return filepath.Join(in.Dir, "fairlead.yml") }

func (in Installation) userStep() step {
	return step{
		what: "system user " + in.User,
		done: func() (bool, error) {
			_, err := in.Lookup(in.User)
			if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
				return false, nil
			}
			return err == nil, err
		},
		do: func(ctx context.Context) error {
			return in.Run(ctx, "useradd", "--system", "--user-group", "--home-dir", in.DataDir, "--no-create-home", "--shell", "/usr/sbin/nologin", in.User)
		},
	}
}

// folder is a private folder of the service's user.
func (in Installation) folder(dir string) step {
	return step{
		what: dir + ", mode 0700",
		done: func() (bool, error) {
			info, err := os.Stat(dir)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			return err == nil && info.Mode().Perm()&0o077 == 0, err
		},
		do: func(context.Context) error {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			return errors.Join(os.Chmod(dir, 0o700), in.own(dir))
		},
	}
}

// file is a private file of the service's user; one that is there is left.
func (in Installation) file(path, text string) step {
	return step{
		what: path + ", mode 0600",
		done: func() (bool, error) { return exists(path) },
		do: func(context.Context) error {
			return errors.Join(writeFile(path, []byte(text), 0o600), in.own(path))
		},
	}
}

func (in Installation) keyStep() step {
	file := filepath.Join(in.Dir, "id_ed25519")
	return step{
		what: "SSH key " + file,
		done: func() (bool, error) { return exists(file) },
		do: func(context.Context) error {
			_, err := EnsureKey(file, comment("fairlead"), in.Random)
			if err != nil {
				return err
			}
			return in.own(file)
		},
	}
}

func (in Installation) programStep() step {
	return step{
		what: "program " + in.Program,
		done: func() (bool, error) { return sameFile(in.Self, in.Program) },
		do: func(context.Context) error {
			data, err := os.ReadFile(in.Self)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(in.Program), 0o755); err != nil {
				return err
			}
			return writeFile(in.Program, data, 0o755)
		},
	}
}

func (in Installation) unitStep() step {
	text := systemd.Unit{Program: in.Program, User: in.User, Config: in.config(), DataDir: in.DataDir}.String()
	return step{
		what: "unit " + in.Unit,
		done: func() (bool, error) {
			now, err := os.ReadFile(in.Unit)
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			return string(now) == text, err
		},
		do: func(ctx context.Context) error {
			if err := writeFile(in.Unit, []byte(text), 0o644); err != nil {
				return err
			}
			return in.Run(ctx, "systemctl", "daemon-reload")
		},
	}
}

// own gives a file to the service's user.
func (in Installation) own(path string) error {
	u, err := in.Lookup(in.User)
	if err != nil {
		return err
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if err := errors.Join(uerr, gerr); err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func (in Installation) next() {
	in.Console.Printf(`
Next:
  sudo fairlead repo add git@github.com:acme/shop.git
  sudo fairlead check
  sudo systemctl enable --now fairlead
`)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func sameFile(a, b string) (bool, error) {
	to, err := os.ReadFile(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	from, err := os.ReadFile(a)
	return bytes.Equal(from, to), err
}

// Starter is the fairlead.yml of a new installation: no repositories, and
// below it every key as a comment.
func Starter(dataDir string) string {
	var b strings.Builder
	b.WriteString(`# fairlead.yml: what Fairlead watches, and what it is allowed to do.
# ` + "`fairlead repo add URL`" + ` adds a repository, ` + "`fairlead check`" + ` tells what is wrong.

repositories: {}

ssh:
  key: id_ed25519           # ` + "`fairlead key`" + ` shows its public part
  known_hosts: known_hosts  # ` + "`fairlead host trust HOST`" + ` adds to it

`)
	if dataDir != config.DefaultDataDir {
		b.WriteString("data_dir: " + strconv.Quote(dataDir) + "\n\n")
	}
	b.WriteString("# Every key, with its default or a usual value:\n#\n")
	for line := range strings.Lines(config.Example()) {
		b.WriteString(strings.TrimRight("# "+strings.TrimRight(line, "\n"), " ") + "\n")
	}
	return b.String()
}
