package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-deploy/fairlead/deployer/build/engine"
	"github.com/fairlead-deploy/fairlead/deployer/build/tree"
	"github.com/fairlead-deploy/fairlead/deployer/hook/process"
	"github.com/fairlead-deploy/fairlead/deployer/host/docker"
	"github.com/fairlead-deploy/fairlead/deployer/spec"
	"github.com/fairlead-deploy/fairlead/internal/secret"
	"github.com/fairlead-deploy/fairlead/release"
)

// Longest is how long one build may take, pushes included.
const Longest = time.Hour

// Step is the name of the step of a release whose build failed.
const Step = "build image"

// Whole is what the files of a revision may also be: all that its commit holds.
// use is called with them, and again where they had to be fetched anew; they
// are gone when it has returned.
type Whole interface {
	Whole(ctx context.Context, use func(files fs.FS) error) error
}

// Images are those of a builder (docker.Engine).
type Images interface {
	// Image returns docker.ErrNotFound where there is none.
	Image(ctx context.Context, ref string) (docker.Image, error)
	Images(ctx context.Context, filter map[string][]string) ([]docker.Image, error)
	RemoveImage(ctx context.Context, ref string) error
}

// Machine is an engine that builds.
type Machine struct {
	Name   string // for messages
	Dial   func(ctx context.Context) (net.Conn, error)
	Images Images
	Shell  process.Shell // of hooks; nil: it is not reached over SSH
}

// Machines reaches builders: at is "" for this machine's engine, else as
// builder.remote in deploy.yml.
type Machines interface {
	Machine(ctx context.Context, at string, ssh spec.SSH) (Machine, error)
}

// Indexer joins pushed images of several architectures under one tag.
type Indexer interface {
	Index(ctx context.Context, name string, tags, digests []string, auth docker.Auth) (digest string, err error)
}

// Yard is where images are made.
type Yard struct {
	Machines Machines
	Index    Indexer
	// Agent dials the ssh agent that builds may use; nil: there is none.
	Agent func(ctx context.Context) (net.Conn, error)
	// Scratch is the folder where a context is written before it is sent;
	// "" is the system's for such files.
	Scratch string
	Arch    string // of this machine, as Go names it
	Log     *slog.Logger
}

// Builder reaches the machine that hooks run on which name the builder:
// builder.remote, or else this one, which is a nil Remote. nil: nothing is built.
func (y *Yard) Builder(d *spec.Deploy) func(ctx context.Context) (*process.Remote, error) {
	if y == nil || d.Builder == nil {
		return nil
	}
	return func(ctx context.Context) (*process.Remote, error) {
		if d.Builder.Remote == "" {
			return nil, nil
		}
		m, err := y.Machines.Machine(ctx, d.Builder.Remote, d.SSH)
		if err != nil {
			return nil, fmt.Errorf("reach the builder: %w", err)
		}
		return &process.Remote{Name: m.Name, Shell: m.Shell}, nil
	}
}

// Commit is what is built.
type Commit struct {
	Revision release.Revision
	Deploy   *spec.Deploy
	Files    fs.FS // a Whole, or all files themselves
	Secrets  map[string]secret.Value
	Auth     docker.Auth // of the registry
	Version  string      // the image's tag
	NoCache  bool
	// Keep builds and does not push.
	Keep bool
	// Dirty says that Files are not a commit's: so do the tags, as Kamal's.
	Dirty bool
	// Told hears what happens; nil nobody.
	Told func(engine.Line)
}

func (c Commit) told(l engine.Line) {
	if c.Told != nil {
		c.Told(l)
	}
}

// Make builds the commit's image and pushes it, unless Keep or deploy.yml's
// transport says otherwise. It returns the digest ("sha256:…") in the registry,
// and without a push the image's id. The error is an *Error where it is known
// whose fault it is; the context's cause where that ended.
func (y *Yard) Make(ctx context.Context, c Commit) (digest string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Longest, refused(fmt.Sprintf("the build took longer than %s", Longest), "make the build faster, or build in CI and push the image"))
	defer cancel()
	recipe, err := RecipeOf(c.Deploy, c.Version, y.Arch)
	if err != nil {
		return "", err
	}
	if c.Dirty {
		recipe = recipe.dirty()
	}
	files, dockerfile, err := y.context(ctx, c)
	if err != nil {
		return "", err
	}
	defer files.Close()
	var digests []string
	size, err := files.Seek(0, io.SeekEnd)
	if err != nil {
		return "", fmt.Errorf("read context: %w", err)
	}
	for _, p := range recipe.Parts {
		p.Order.Dockerfile, p.Order.NoCache, p.Order.Lends = dockerfile, c.NoCache, y.lends(c, recipe)
		if digest, err = y.part(ctx, c, recipe.Name, p, io.NewSectionReader(files, 0, size)); err != nil {
			return "", err
		}
		digests = append(digests, digest)
	}
	if len(recipe.Joined) > 0 && !c.Keep {
		if digest, err = y.Index.Index(ctx, recipe.Name, recipe.Joined, digests, c.Auth); err != nil {
			return "", fmt.Errorf("push %s: %w", recipe.Name, err)
		}
	}
	return digest, nil
}

// part makes one image, and brings it to the registry.
func (y *Yard) part(ctx context.Context, c Commit, name string, p Part, files io.Reader) (string, error) {
	m, err := y.Machines.Machine(ctx, p.At, c.Deploy.SSH)
	if err != nil {
		return "", fmt.Errorf("reach the builder: %w", err)
	}
	e := engine.New(m.Name, m.Dial)
	defer e.Close()
	tail := &tail{}
	hidden := c.hidden()
	told := func(l engine.Line) {
		l.Text = hidden.Scrub(l.Text)
		tail.add(l)
		c.told(l)
	}
	started := time.Now()
	id, err := e.Build(ctx, p.Order, files, told)
	if failed, ok := errors.AsType[*engine.BuildError](err); ok {
		failed.Message = hidden.Scrub(failed.Message)
		return "", judge(failed, tail.lines)
	}
	if err != nil {
		return "", err
	}
	y.Log.Info("image built", "image", p.Order.Tags[0], "id", id, "builder", m.Name, "took", time.Since(started).Round(time.Millisecond))
	if c.Keep || c.Deploy.XFairlead.Load {
		y.tidy(ctx, m, c, name)
		return id, nil
	}
	digest := ""
	for i, tag := range p.Tags {
		pushed, err := e.Push(ctx, name, tag, c.Auth, func(engine.Line) {})
		if err != nil {
			return "", err
		}
		c.told(engine.Line{Step: true, Text: "pushed " + name + ":" + tag})
		if i == 0 {
			digest = pushed
		}
	}
	y.Log.Info("image pushed", "image", p.Order.Tags[0], "digest", digest)
	y.tidy(ctx, m, c, name)
	return digest, nil
}

// hidden knows the values that a build is lent, and which a step may print.
func (c Commit) hidden() *secret.Scrubber {
	var known secret.Scrubber
	known.Know("", c.Auth.Password)
	for _, name := range c.Deploy.Builder.Secrets {
		known.Know(name, c.Secrets[name])
	}
	return &known
}

// context writes the tree of the commit to a file without a name.
func (y *Yard) context(ctx context.Context, c Commit) (_ *os.File, dockerfile string, err error) {
	file, err := os.CreateTemp(y.Scratch, "fairlead-context-")
	if err != nil {
		return nil, "", fmt.Errorf("write context: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := os.Remove(file.Name()); err != nil {
		return nil, "", fmt.Errorf("write context: %w", err)
	}
	write := func(all fs.FS) error {
		if err := file.Truncate(0); err != nil {
			return err
		}
		if _, err := file.Seek(0, 0); err != nil {
			return err
		}
		var err error
		dockerfile, err = tree.Write(file, all, tree.Options{Context: c.Deploy.Builder.Context, Dockerfile: c.Deploy.Builder.Dockerfile, Time: c.Revision.Time})
		return err
	}
	if whole, ok := c.Files.(Whole); ok {
		err = whole.Whole(ctx, write)
	} else {
		err = write(c.Files)
	}
	if bad, ok := errors.AsType[*tree.Error](err); ok {
		return nil, "", refused(bad.Error(), "mend the commit and push")
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the files of %s: %w", c.Revision.Short(), err)
	}
	return file, dockerfile, nil
}

// lends is what a build may ask for.
func (y *Yard) lends(c Commit, r Recipe) engine.Lends {
	l := engine.Lends{Secrets: map[string]secret.Value{}, Agents: map[string]func(context.Context) (net.Conn, error){}}
	for _, name := range c.Deploy.Builder.Secrets {
		l.Secrets[name] = c.Secrets[name]
	}
	for _, id := range r.Agents {
		if l.Agents[id] = y.Agent; y.Agent == nil {
			l.Agents[id] = func(context.Context) (net.Conn, error) {
				return nil, errors.New("SSH_AUTH_SOCK is not set where Fairlead runs")
			}
		}
	}
	l.Account = func(registry string) (string, secret.Value, bool) {
		ours := sameRegistry(registry, c.Auth.Server)
		return c.Auth.Username, c.Auth.Password, ours && (c.Auth.Username != "" || !c.Auth.Password.IsZero())
	}
	return l
}

// sameRegistry tells whether BuildKit means the registry of deploy.yml.
func sameRegistry(asked, ours string) bool {
	host := func(s string) string {
		s = strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://")
		s, _, _ = strings.Cut(s, "/")
		switch s {
		case "", "docker.io", "index.docker.io", "registry-1.docker.io":
			return "docker.io"
		}
		return s
	}
	return host(asked) == host(ours)
}

// tidy removes the oldest of the service's images from the builder, which
// nobody else would. It keeps as many as hosts keep containers, and what a
// container uses.
func (y *Yard) tidy(ctx context.Context, m Machine, c Commit, name string) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("not done within a minute"))
	defer cancel()
	list, err := m.Images.Images(ctx, map[string][]string{"label": {"service=" + c.Deploy.Service}, "reference": {name}})
	if err != nil {
		y.Log.Warn("old images of the builder not looked for", "builder", m.Name, "error", err)
		return
	}
	for _, ref := range outdated(list, name, max(c.Deploy.RetainContainers, 1)) {
		if err := m.Images.RemoveImage(ctx, ref); err != nil && !errors.Is(err, docker.ErrInUse) {
			y.Log.Warn("old image not removed from the builder", "builder", m.Name, "image", ref, "error", err)
		}
	}
}

// outdated are the references of all images but the newest keep. One that has a
// name of another kind besides, such as latest, stays.
func outdated(list []docker.Image, name string, keep int) (refs []string) {
	slices.SortStableFunc(list, func(a, b docker.Image) int { return b.Created.Compare(a.Created) })
	for _, i := range list[min(keep, len(list)):] {
		if slices.ContainsFunc(i.RepoTags, func(t string) bool { return !strings.HasPrefix(t, name+":") || strings.HasPrefix(t, name+":latest") }) {
			continue
		}
		refs = append(refs, i.RepoTags...)
	}
	return refs
}

// maxTail is how many of the last lines are kept.
const maxTail = 30

// tail are the last lines of a build.
type tail struct{ lines []string }

func (t *tail) add(l engine.Line) {
	if len(t.lines) == maxTail {
		t.lines = slices.Delete(t.lines, 0, 1)
	}
	t.lines = append(t.lines, l.Text)
}
