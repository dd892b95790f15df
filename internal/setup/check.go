package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-deploy/fairlead/daemon"
	"github.com/fairlead-deploy/fairlead/daemon/buttons"
	"github.com/fairlead-deploy/fairlead/daemon/config"
	"github.com/fairlead-deploy/fairlead/deployer/host"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/host/ssh"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/registry"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

const (
	hostTimeout = 30 * time.Second
	atOnce      = 8 // hosts and repositories that are asked at the same time
)

// CheckFile reads fairlead.yml. The configuration is nil where it is not right;
// then the findings tell all that is wrong.
func CheckFile(file string) (*config.Config, Findings) {
	var fs Findings
	c, err := config.Load(file)
	problems, ok := errors.AsType[config.Problems](err)
	switch {
	case ok:
		for _, p := range problems {
			hint := p.Hint
			p.Hint = ""
			fs.fail("fairlead.yml", hint, "%s", p.Error())
		}
		return nil, fs
	case err != nil:
		fs.fail("fairlead.yml", "`fairlead install` makes one, --config says where it is", "%v", err)
		return nil, fs
	}
	fs.ok("fairlead.yml", "%s is right; repositories: %s", file, cmp.Or(strings.Join(slices.Sorted(maps.Keys(c.Repositories)), ", "), "none yet"))
	return c, fs
}

// A Survey is what was found out about a configuration's repositories and
// hosts.
type Survey struct {
	Findings Findings
	Hosts    []HostState // sorted by name
}

// A HostState is how one host answers.
type HostState struct {
	Name     string
	Target   string // what `host trust` takes
	Address  host.Address
	Services []string // that deploy.yml files put there
	Engine   docker.Info
	Err      error // nil: it answers
}

// Check looks at every repository and host of a configuration.
func Check(ctx context.Context, c *config.Config, r *daemon.Reach) Survey {
	names := slices.Sorted(maps.Keys(c.Repositories))
	results := make([]repoResult, len(names))
	each(len(names), func(i int) {
		ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %s", lookTimeout))
		defer cancel()
		results[i] = checkRepo(ctx, r, names[i], c.Repositories[names[i]])
	})
	var s Survey
	for _, result := range results {
		s.Findings = append(s.Findings, result.findings...)
		s.add(r, result.hosts)
	}
	s.Findings = append(s.Findings, checkButtons(ctx, c)...)
	for name := range c.Hosts {
		a, err := r.Address(name)
		if err != nil {
			s.Findings.failed(name, err)
			continue
		}
		s.add(r, []serviceHost{{address: a}})
	}
	slices.SortFunc(s.Hosts, func(a, b HostState) int { return strings.Compare(a.Name, b.Name) })
	each(len(s.Hosts), func(i int) { s.Hosts[i].ask(ctx, r) })
	for _, h := range s.Hosts {
		s.Findings = append(s.Findings, h.finding())
	}
	return s
}

// checkButtons connects for each channel with buttons as the daemon does.
func checkButtons(ctx context.Context, c *config.Config) Findings {
	var fs Findings
	for _, ch := range c.Notify {
		switch has, err := buttons.Try(ctx, c, ch.Name); {
		case !has:
		case err != nil:
			fs.failed(ch.Name, fmt.Errorf("its buttons do not work: %w", err))
		default:
			fs.ok(ch.Name, "Socket Mode connects; its buttons are for %d listed", len(ch.Slack.Users))
		}
	}
	return fs
}

// add remembers hosts, each once.
func (s *Survey) add(r *daemon.Reach, hosts []serviceHost) {
	for _, h := range hosts {
		i := slices.IndexFunc(s.Hosts, func(x HostState) bool { return x.Name == h.address.Name })
		if i < 0 {
			i = len(s.Hosts)
			s.Hosts = append(s.Hosts, HostState{Name: h.address.Name, Address: h.address, Target: trustTarget(r, h.address)})
		}
		if at := &s.Hosts[i]; h.service != "" && !slices.Contains(at.Services, h.service) {
			at.Services = append(at.Services, h.service)
		}
	}
}

// each calls f for 0 to n-1, a few at once, and waits.
func each(n int, f func(i int)) {
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	wg.Wait()
}

type serviceHost struct {
	service string
	address host.Address
}

type repoResult struct {
	findings Findings
	hosts    []serviceHost
}

// A repoCheck is the check of one repository.
type repoCheck struct {
	repoResult
	reach *daemon.Reach
	name  string
	repo  config.Repository
	look  daemon.Look
}

func checkRepo(ctx context.Context, r *daemon.Reach, name string, repo config.Repository) repoResult {
	c := repoCheck{reach: r, name: name, repo: repo}
	var err error
	if c.look, err = r.Look(ctx, name, repo); err != nil {
		c.findings.failed(name, err)
		return c.repoResult
	}
	c.findings.ok(name, "%s is at %s", c.look.Tip.Ref, short(c.look.Tip.SHA))
	if len(repo.Destinations) == 0 {
		c.destination(ctx, name, "")
	}
	for _, dest := range repo.Destinations {
		c.destination(ctx, name+" ["+dest+"]", dest)
	}
	return c.repoResult
}

func short(sha string) string { return sha[:min(7, len(sha))] }

// destination checks one deploy.yml and what it needs.
func (c *repoCheck) destination(ctx context.Context, subject, dest string) {
	d, _, err := c.reach.Deploy(c.look.Files, c.repo, dest)
	if err != nil {
		deployProblems(&c.findings, subject, err)
		return
	}
	addresses, err := c.reach.Addresses(ctx, c.look.Files, c.repo, d)
	if err != nil {
		c.findings.failed(subject, err)
	}
	c.findings.ok(subject, "%s is right; service %s on %s", d.File, d.Service, release.Count(len(addresses), "host"))
	for _, a := range addresses {
		c.hosts = append(c.hosts, serviceHost{d.Service, a})
	}
	source, err := c.reach.Secrets(ctx, c.look.Files, c.repo, d)
	if err != nil {
		c.findings.failed(subject, err)
		return
	}
	c.secrets(subject, d, source)
	checkImage(ctx, c.reach.Registry(), &c.findings, subject, image{look: c.look, repo: c.repo, deploy: d, secrets: source})
}

func (c *repoCheck) secrets(subject string, d *spec.Deploy, source secret.Source) {
	names := d.SecretNames()
	err := source.Missing(names)
	missing, ok := errors.AsType[*secret.MissingError](err)
	switch {
	case ok:
		c.findings.fail(subject, "`fairlead secret set NAME -r "+c.name+"` for each, or put them where repositories."+c.name+".secrets says",
			"secrets are missing: %s", strings.Join(missing.Names, ", "))
	case err != nil:
		c.findings.failed(subject, err)
	case len(names) > 0:
		c.findings.ok(subject, "%s found, none missing", release.Count(len(names), "secret"))
	}
}

func deployProblems(fs *Findings, subject string, err error) {
	list, ok := errors.AsType[spec.Errors](err)
	if !ok {
		fs.failed(subject, err)
		return
	}
	for _, e := range list {
		fs.failed(subject, e)
	}
}

// ask finds out how the host answers.
func (h *HostState) ask(ctx context.Context, r *daemon.Reach) {
	ctx, cancel := context.WithTimeoutCause(ctx, hostTimeout, fmt.Errorf("no answer within %s", hostTimeout))
	defer cancel()
	conn, err := r.Host(ctx, h.Address)
	if err == nil {
		h.Engine, err = conn.Engine().Info(ctx)
	}
	h.Err = err
}

func (h *HostState) finding() Finding {
	var fs Findings
	if h.Err != nil {
		fs.failed(h.Name, h.trouble())
	} else {
		fs.ok(h.Name, "engine %s (API %s) on %s/%s answers", h.Engine.ServerVersion, h.Engine.APIVersion, h.Engine.OS, h.Engine.Arch)
	}
	return fs[0]
}

// trouble is Err, with the port in its remedy that only deploy.yml knows.
func (h *HostState) trouble() error {
	if e, ok := errors.AsType[*ssh.UnknownHostKeyError](h.Err); ok {
		return &ssh.UnknownHostKeyError{Host: h.Target, KeyType: e.KeyType, Fingerprint: e.Fingerprint}
	}
	if e, ok := errors.AsType[*ssh.HostKeyChangedError](h.Err); ok {
		return &ssh.HostKeyChangedError{Host: h.Target, KeyType: e.KeyType, Fingerprint: e.Fingerprint, KnownAt: e.KnownAt}
	}
	return h.Err
}

// registryAuth is the account of a deploy.yml's registry.
func registryAuth(d *spec.Deploy, source secret.Source) (registry.Auth, error) {
	user, err := credential(d.Registry.Username, source)
	if err != nil {
		return registry.Auth{}, err
	}
	password, err := credential(d.Registry.Password, source)
	return registry.Auth{Username: user.Reveal(), Password: password}, err
}

func credential(c spec.Credential, source secret.Source) (secret.Value, error) {
	if c.Secret == "" {
		return c.Literal, nil
	}
	v, _, err := source.Lookup(c.Secret)
	return v, err
}

// Trusted tells whether the host's key is the one that is known, if it has one.
func (h *HostState) Trusted() bool {
	_, unknown := errors.AsType[*ssh.UnknownHostKeyError](h.Err)
	_, changed := errors.AsType[*ssh.HostKeyChangedError](h.Err)
	return !unknown && !changed
}

// Summary says in a few words how the host answers.
func (h *HostState) Summary() string {
	f := h.finding()
	if f.Remedy != "" {
		return f.Text + " → " + f.Remedy
	}
	return f.Text
}
