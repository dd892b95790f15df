package packaging

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheProgramIsGoodGoForEveryMachineOfARelease checks types from the sources,
// for compiling it for each takes minutes. This machine's own is compiled.
func TestTheProgramIsGoodGoForEveryMachineOfARelease(t *testing.T) {
	for _, target := range []string{"linux/arm64", "darwin/arm64", "darwin/amd64"} {
		t.Run(target, func(t *testing.T) { checks(t, target) })
	}
}

// listed is a package as `go list` shows it.
type listed struct {
	Dir, ImportPath string
	GoFiles         []string
	ImportMap       map[string]string // of the standard library's own copies
	Module          *struct{ Main bool }
}

// checks wants the whole program to be good Go for a machine. Of foreign
// packages only what they declare is looked at.
func checks(t *testing.T, target string) {
	system, arch, _ := strings.Cut(target, "/")
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=Dir,ImportPath,GoFiles,ImportMap,Module", "./cmd/fairlead")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	done, fset, ours := map[string]*types.Package{"unsafe": types.Unsafe}, token.NewFileSet(), 0
	for all := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := all.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.ImportPath == "unsafe" {
			continue
		}
		own := p.Module != nil && p.Module.Main
		if own {
			ours++
		}
		conf := types.Config{Sizes: types.SizesFor("gc", arch), IgnoreFuncBodies: !own, Importer: imports{p.ImportMap, done}, Error: func(err error) {
			if own {
				t.Error(err)
			}
		}}
		done[p.ImportPath], _ = conf.Check(p.ImportPath, fset, parsed(t, fset, p), nil)
	}
	if ours < 20 {
		t.Errorf("only %d packages are ours", ours)
	}
}

func parsed(t *testing.T, fset *token.FileSet, p listed) (files []*ast.File) {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// imports finds packages that were checked before.
type imports struct {
	names map[string]string
	done  map[string]*types.Package
}

func (i imports) Import(path string) (*types.Package, error) {
	if name, ok := i.names[path]; ok {
		path = name
	}
	if p := i.done[path]; p != nil {
		return p, nil
	}
	return nil, errors.New("not listed before its user")
}
