package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/watcher/mirror"
)

// lookTimeout bounds the look at one repository.
const lookTimeout = 2 * time.Minute

// A NewRepo is the command `repo add`.
type NewRepo struct {
	File   string // fairlead.yml
	Config *config.Config
	Reach  *daemon.Reach
	Random io.Reader // cryptographic
	Dial   DialFunc  // nil dials directly

	URL                             string
	Name, Branch, Destination, Mode string // "" leaves the default
	Console                         Console
}

// Add makes the repository's deploy key, checks the access, shows what its
// deploy.yml needs, and writes the entry into fairlead.yml. Run again after an
// error it goes on where it stopped.
func (n NewRepo) Add(ctx context.Context) error {
	if n.Name == "" {
		n.Name = nameOf(n.URL)
	}
	for name, r := range n.Config.Repositories {
		if name == n.Name || r.Watched == n.Name {
			return fmt.Errorf("add repository: %q is in %s already; --name gives it another name", name, n.File)
		}
		if same(r.URL, n.URL) && slices.Equal(r.Destinations, n.repository().Destinations) && r.Branch == n.Branch {
			return fmt.Errorf("add repository: %s is in %s already, as %q", n.URL, n.File, name)
		}
	}
	repo := n.repository()
	if err := n.valid(); err != nil {
		return err
	}
	look, err := n.access(ctx, &repo)
	if err != nil {
		return err
	}
	n.Console.Printf("Access works: %s is at %s.\n", strings.TrimPrefix(look.Tip.Ref, "refs/heads/"), short(look.Tip.SHA))
	next := n.survey(ctx, look, repo)
	if err := editConfig(n.File, insert("repositories", n.Name, n.fields())); err != nil {
		return err
	}
	n.Console.Printf("Added %q to %s.\n", n.Name, n.File)
	next = append(next, "fairlead check")
	n.Console.Printf("Next:\n  %s\n", strings.Join(next, "\n  "))
	return nil
}

// keyName is the deploy key's path from fairlead.yml's folder.
func (n NewRepo) keyName() string { return path.Join("keys", n.Name) }

func (n NewRepo) keyFile() string { return filepath.Join(filepath.Dir(n.File), n.keyName()) }

// secretsName is its secrets' path from fairlead.yml's folder.
func (n NewRepo) secretsName() string { return path.Join(secretsDir, n.Name+".env") }

func (n NewRepo) repository() config.Repository {
	r := config.Repository{URL: n.URL, Branch: n.Branch, Mode: config.Mode(n.Mode)}
	r.Secrets.File = filepath.Join(filepath.Dir(n.File), n.secretsName())
	if n.Destination != "" {
		r.Destinations = []string{n.Destination}
	}
	if _, ok := sshAddress(n.URL); ok {
		r.Auth.SSHKey = n.keyFile()
	}
	return r
}

// fields is the entry in fairlead.yml.
func (n NewRepo) fields() []field {
	list := []field{{"url", n.URL}}
	for _, f := range []field{{"branch", n.Branch}, {"destination", n.Destination}, {"mode", n.Mode}} {
		if f.value != "" {
			list = append(list, f)
		}
	}
	if _, ok := sshAddress(n.URL); ok {
		list = append(list, field{"auth", []field{{"ssh_key", n.keyName()}}})
	}
	return append(list, field{"secrets", []field{{"file", n.secretsName()}}})
}

// valid tries the entry before anything is made.
func (n NewRepo) valid() error {
	if a, ok := sshAddress(n.URL); ok && (a.host == "" || strings.HasPrefix(a.host, "-") || a.path == "") {
		return fmt.Errorf("add repository: %q has no usable host and path; write git@host:path.git", n.URL)
	}
	text, err := insert("repositories", n.Name, n.fields())(nil)
	if err != nil {
		return fmt.Errorf("add repository: %w", err)
	}
	if _, err := config.Parse("the new entry", filepath.Dir(n.File), text); err != nil {
		return fmt.Errorf("add repository: %w", err)
	}
	return nil
}

// access makes sure that the repository can be read, and looks at it.
func (n NewRepo) access(ctx context.Context, repo *config.Repository) (daemon.Look, error) {
	at, isSSH := sshAddress(n.URL)
	if !isSSH {
		return n.look(ctx, *repo)
	}
	key, err := EnsureKey(n.keyFile(), comment("fairlead-"+n.Name), n.Random)
	if err != nil {
		return daemon.Look{}, err
	}
	if key.Made {
		n.Console.Printf("Made a deploy key for it: %s. Its public part:\n\n  %s\n\nPaste it here: %s\n\n", key.File, key.Line, whereToPaste(at))
	}
	dial := n.Dial
	if dial == nil {
		dial = dialDirect
	}
	if err := (Trust{Config: n.Config, Console: n.Console}).pin(ctx, at, dial); err != nil {
		return daemon.Look{}, err
	}
	for {
		look, err := n.look(ctx, *repo)
		if !errors.Is(err, mirror.ErrAuth) && !errors.Is(err, mirror.ErrNotFound) {
			return look, err
		}
		if !key.Made {
			n.Console.Printf("The deploy key is\n\n  %s\n\nPaste it here: %s\n\n", key.Line, whereToPaste(at))
		}
		if _, asked := n.Console.ask("Press Enter when it is there. "); asked != nil {
			return daemon.Look{}, fmt.Errorf("add repository: %w; paste the deploy key there, then run this again", err)
		}
		key.Made = true // it was shown
	}
}

func (n NewRepo) look(ctx context.Context, repo config.Repository) (daemon.Look, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %s", lookTimeout))
	defer cancel()
	look, err := n.Reach.Look(ctx, n.Name, repo)
	if err != nil {
		return look, fmt.Errorf("read %s: %w", n.URL, err)
	}
	return look, nil
}

// survey shows what the deploy.yml needs and returns the commands to run.
func (n NewRepo) survey(ctx context.Context, look daemon.Look, repo config.Repository) []string {
	d, _, err := n.Reach.Deploy(look.Files, repo, n.Destination)
	if err != nil {
		n.Console.Printf("Its deploy.yml cannot be used yet:\n%v\n", err)
		return nil
	}
	n.Console.Printf("It deploys %s (%s) from %s.\n", d.Service, d.Image, d.File)
	var next []string
	if untrusted := n.hosts(ctx, look.Files, repo, d); len(untrusted) > 0 {
		next = append(next, "fairlead host trust "+strings.Join(untrusted, " "))
	}
	return append(next, n.secrets(ctx, look.Files, repo, d)...)
}

// hosts lists them and returns those whose keys are not known.
func (n NewRepo) hosts(ctx context.Context, files fs.FS, repo config.Repository, d *spec.Deploy) []string {
	addresses, err := n.Reach.Addresses(ctx, files, repo, d)
	if err != nil {
		n.Console.Printf("Hosts: %v\n", err)
	}
	var untrusted []string
	n.Console.Printf("Hosts:\n")
	for _, a := range addresses {
		state := "host key known"
		switch ok, err := isKnown(n.Config.SSH.KnownHosts, hostPort(a)); {
		case a.IsLocal():
			state = "this machine"
		case err != nil:
			state = err.Error()
		case !ok:
			state = "host key not known"
			untrusted = append(untrusted, n.target(a))
		}
		n.Console.Printf("  %s (%s)\n", a.Name, state)
	}
	return untrusted
}

// target is what `host trust` takes for a host: with the port that only
// deploy.yml knows.
func (n NewRepo) target(a host.Address) string { return trustTarget(n.Reach, a) }

func trustTarget(r *daemon.Reach, a host.Address) string {
	if mine, err := r.Address(a.Name); err == nil && orPort(mine.Port) == orPort(a.Port) {
		return a.Name
	}
	return net.JoinHostPort(a.Name, strconv.Itoa(orPort(a.Port)))
}

func hostPort(a host.Address) string { return net.JoinHostPort(a.Host, strconv.Itoa(orPort(a.Port))) }

// secrets lists the missing ones and returns how to set them.
func (n NewRepo) secrets(ctx context.Context, files fs.FS, repo config.Repository, d *spec.Deploy) []string {
	source, err := n.Reach.Secrets(ctx, files, repo, d)
	if err != nil {
		n.Console.Printf("Secrets: %v\n", err)
		return nil
	}
	err = source.Missing(d.SecretNames())
	missing, ok := errors.AsType[*secret.MissingError](err)
	switch {
	case err == nil && len(d.SecretNames()) > 0:
		n.Console.Printf("Secrets: %d found, none missing.\n", len(d.SecretNames()))
		return nil
	case err == nil:
		return nil
	case !ok:
		n.Console.Printf("Secrets: %v\n", err)
		return nil
	}
	n.Console.Printf("Missing secrets: %s\n", strings.Join(missing.Names, ", "))
	var next []string
	for _, name := range missing.Names {
		next = append(next, "fairlead secret set "+name+" -r "+n.Name)
	}
	return next
}

// RemoveRepo takes a repository out of fairlead.yml. What runs on its servers
// stays, and its deploy key's file too.
func RemoveRepo(file string, c *config.Config, name string) error {
	if len(c.Of(name)) == 0 {
		return fmt.Errorf("remove repository: %q is not in %s; there are %s", name, file, strings.Join(slices.Sorted(maps.Keys(c.Repositories)), ", "))
	}
	return editConfig(file, remove("repositories", name))
}
