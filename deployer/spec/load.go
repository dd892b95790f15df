package spec

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-deploy/fairlead/deployer/spec/dialect"
	"github.com/fairlead-deploy/fairlead/deployer/spec/erb"
	"github.com/fairlead-deploy/fairlead/deployer/spec/hooks"
	"github.com/fairlead-deploy/fairlead/deployer/spec/schema"
)

// The files that Load looks for.
const (
	kamalPath = "config/deploy.yml"
	shortPath = "deploy.yml"
)

// Options are the inputs of Load besides the files.
type Options struct {
	// Path is the file; "" looks for config/deploy.yml, then deploy.yml.
	Path string
	// Destination is the environment; its file beside Path is merged:
	// config/deploy.yml + config/deploy.DESTINATION.yml.
	Destination string
	// Version is kept in Deploy.Version.
	Version string
	// Env answers ENV["NAME"] in templates; nil knows no name.
	Env func(name string) (string, bool)
	// AllowCommands permits %x(…) and `…` in templates, run by Command.
	AllowCommands bool
	// Command runs one command line of a template and returns what it prints.
	// The caller bounds its time, output and environment.
	Command func(commandLine string) (string, error)
}

var (
	destinationPattern = bounded{regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`), 63}
	tagPattern         = bounded{regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`), 128}
)

// loader is the state of one Load.
type loader struct {
	fsys   fs.FS
	o      Options
	d      *Deploy
	root   schema.Value
	report *schema.Report
	reader *schema.Reader
}

// Load reads a deploy.yml from fsys and resolves it. The error is Errors when
// the file is wrong; it wraps fs.ErrNotExist when there is none. Warnings are
// returned beside errors too.
func Load(fsys fs.FS, o Options) (*Deploy, []Warning, error) {
	if o.Destination != "" && !destinationPattern.MatchString(o.Destination) {
		return nil, nil, fmt.Errorf("read deploy.yml: %q cannot be a destination: use letters, digits, - and _", o.Destination)
	}
	if o.Version != "" && !tagPattern.MatchString(o.Version) {
		return nil, nil, fmt.Errorf("read deploy.yml: %q cannot be a version: an image tag has letters, digits, _ . and -, 128 at most", o.Version)
	}
	l := &loader{fsys: fsys, o: o, report: &schema.Report{}}
	l.d = &Deploy{Destination: o.Destination, Version: o.Version, positions: map[string]Position{}}
	l.reader = &schema.Reader{Report: l.report, Positions: l.d.positions}
	if err := l.load(); err != nil {
		return nil, l.report.Warnings(), err
	}
	return l.d, l.report.Warnings(), nil
}

func (l *loader) load() error {
	tree, err := l.tree()
	if err != nil {
		return err
	}
	dialect.Translate(tree, l.report)
	l.root = l.reader.Root(tree)
	l.readRoot()
	l.validate()
	l.warnPending()
	return l.report.Err()
}

// tree reads and merges the files.
func (l *loader) tree() (*schema.Node, error) {
	name, src, err := l.find()
	if err != nil {
		return nil, err
	}
	l.d.File = name
	base, err := l.parse(name, src)
	if err != nil {
		return nil, err
	}
	if l.o.Destination == "" {
		return base, l.report.Err()
	}
	ext := path.Ext(name)
	over := strings.TrimSuffix(name, ext) + "." + l.o.Destination + ext
	src, err = readFile(l.fsys, over)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read deploy.yml: destination %s needs the file %s: %w", l.o.Destination, over, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("read deploy.yml: %w", err)
	}
	l.d.DestinationFile = over
	top, err := l.parse(over, src)
	if err != nil {
		return nil, err
	}
	return schema.Merge(base, top), l.report.Err()
}

func (l *loader) find() (name string, src []byte, err error) {
	names := []string{kamalPath, shortPath}
	if l.o.Path != "" {
		names = []string{path.Clean(l.o.Path)}
	}
	for _, name = range names {
		src, err = readFile(l.fsys, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("read deploy.yml: %w: the repository has no %s", fs.ErrNotExist, strings.Join(names, " and no "))
	} else if err != nil {
		return "", nil, fmt.Errorf("read deploy.yml: %w", err)
	}
	return name, src, nil
}

// readFile reads at most one byte more than a file may have, so that a huge
// one is refused by its size and not by the memory that is left.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, schema.MaxBytes+1))
}

// parse checks the limits, masks templates and reads the YAML.
func (l *loader) parse(name string, src []byte) (*schema.Node, error) {
	if err := schema.Check(name, src); err != nil {
		return nil, err
	}
	l.report.Keep(name, src)
	world := erb.World{Env: l.o.Env, ReadFile: func(name string) ([]byte, error) { return readFile(l.fsys, name) }}
	if l.o.AllowCommands {
		world.Command = l.o.Command
	}
	t := erb.Scan(name, src, world, l.report)
	if l.report.Failed() {
		return nil, l.report.Err()
	}
	n := schema.Parse(schema.Source{File: name, Bytes: t.Masked, Templates: t}, l.report)
	if n == nil {
		return nil, l.report.Err()
	}
	if n.Kind != schema.Map {
		return nil, Errors{{Position: n.At, Message: "the file must be a map of keys and values", Hint: "begin with service: NAME"}}
	}
	return n, nil
}

// Pos returns where path ("servers.web.hosts[0]") is written; where the file
// does not say it, where the nearest part above it is.
func (d *Deploy) Pos(path string) Position { return schema.Locate(d.positions, path) }

// Shape is what deploy.yml may say, as the readers take it.
func Shape() *schema.Shape {
	return dialect.Shape(schema.Probe(func(r *schema.Reader, root *schema.Node) {
		l := &loader{fsys: embed.FS{}, report: r.Report, reader: r, d: &Deploy{}}
		l.root = r.Root(root)
		l.readRoot()
	}, "web", "clear", "pre-deploy", "memory"), hooks.Names())
}

// prefixed returns the keys of a map that begin with prefix.
func prefixed(v schema.Value, prefix string) []string {
	var keys []string
	if v.Node != nil {
		for _, f := range v.Node.Fields {
			if strings.HasPrefix(f.Key, prefix) {
				keys = append(keys, f.Key)
			}
		}
	}
	return slices.Clip(keys)
}
