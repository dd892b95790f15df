package arch

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/fairlead-deploy/fairlead/"

// pkg is a package of the module, as `go list` tells it.
type pkg struct {
	ImportPath                string
	Dir                       string
	GoFiles                   []string
	TestGoFiles, XTestGoFiles []string
	Imports                   []string
	TestImports, XTestImports []string
	Export                    string
	Standard                  bool
	Name                      string
	files                     []*ast.File // of GoFiles, in their order
	info                      *types.Info
}

// path is the package's folder, such as "deployer/plan".
func (p *pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

// tests tells whether no product code may import p.
func (p *pkg) tests() bool {
	return within(p.path(), "internal/fleet", "internal/demo", "internal/bench", "internal/e2e", "internal/chaos", "internal/load", "internal/arch", "internal/features") ||
		strings.HasSuffix(p.path(), "test")
}

// house is the whole module, parsed and type-checked.
type house struct {
	fset *token.FileSet
	pkgs []*pkg
}

var read = sync.OnceValues(readModule)

func theHouse(t *testing.T) *house {
	t.Helper()
	h, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(h.pkgs) < 40 {
		t.Fatalf("go list found only %d packages", len(h.pkgs))
	}
	return h
}

func readModule() (*house, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Name,Standard,Export,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &house{fset: token.NewFileSet()}
	exports := map[string]string{}
	for d := json.NewDecoder(out); ; {
		p := &pkg{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, module) {
			h.pkgs = append(h.pkgs, p)
		}
	}
	if err := cmd.Wait(); err != nil {
		return nil, err
	}
	from := importer.ForCompiler(h.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range h.pkgs {
		if err := h.parse(p, from); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *house) parse(p *pkg, from types.Importer) error {
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(h.fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p.files = append(p.files, file)
	}
	p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	_, err := (&types.Config{Importer: from}).Check(p.ImportPath, h.fset, p.files, p.info)
	return err
}

// at is where something stands, from the module's root.
func (h *house) at(p *pkg, pos token.Pos) string {
	where := h.fset.Position(pos)
	where.Filename = filepath.Join(p.path(), filepath.Base(where.Filename))
	where.Column = 0
	return where.String()
}

// within tells whether path is one of the folders or below it.
func within(path string, folders ...string) bool {
	for _, f := range folders {
		if path == f || strings.HasPrefix(path, f+"/") {
			return true
		}
	}
	return false
}
