package arch

import (
	"bytes"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	maxFile     = 500  // lines, tests too
	maxFunction = 80   // lines
	maxPackage  = 2500 // lines, tests not counted
	maxParams   = 5    // besides ctx
	maxMethods  = 4    // of an interface that asks for something
)

// over are the exceptions: what, and how far it may go. docs/design.md says why.
// One that is no longer needed fails too, so that the list only gets shorter.
func over() map[string]int {
	return map[string]int{
		"deployer/spec":  3200, // lines
		"watcher/mirror": 3000, // lines
	}
}

// allowed is the budget of one thing.
func allowed(what string, budget int) int { return max(budget, over()[what]) }

func TestNoExceptionOutlivesItsReason(t *testing.T) {
	h := theHouse(t)
	needed := map[string]bool{}
	for _, p := range h.pkgs {
		needed[p.path()] = linesOf(t, p, p.GoFiles) > maxPackage
		for _, f := range functions(p) {
			needed[p.path()+"."+f.Name.Name] = params(p, f) > maxParams || h.lines(f) > maxFunction
		}
		for _, o := range p.info.Defs {
			if n, ok := o.(*types.TypeName); ok && methods(n) > maxMethods {
				needed[p.path()+"."+n.Name()] = true
			}
		}
	}
	for what := range over() {
		if !needed[what] {
			t.Errorf("%s keeps its budget: take it off the list of exceptions", what)
		}
	}
}

func TestFilesAndPackagesAreSmall(t *testing.T) {
	for _, p := range theHouse(t).pkgs {
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			if lines := linesOf(t, p, []string{name}); lines > maxFile {
				t.Errorf("%s has %d lines; %d are allowed", filepath.Join(p.path(), name), lines, maxFile)
			}
		}
		if total, most := linesOf(t, p, p.GoFiles), allowed(p.path(), maxPackage); total > most {
			t.Errorf("%s has %d lines; %d are allowed", p.path(), total, most)
		}
	}
}

func TestFunctionsAreShortAndTakeFewParameters(t *testing.T) {
	h := theHouse(t)
	for _, p := range h.pkgs {
		for _, f := range functions(p) {
			if lines := h.lines(f); lines > maxFunction {
				t.Errorf("%s: %s has %d lines; %d are allowed", h.at(p, f.Pos()), f.Name.Name, lines, maxFunction)
			}
			if n, most := params(p, f), allowed(p.path()+"."+f.Name.Name, maxParams); n > most {
				t.Errorf("%s: %s has %d parameters; %d are allowed", h.at(p, f.Pos()), f.Name.Name, n, most)
			}
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	h := theHouse(t)
	for _, p := range h.pkgs {
		for _, f := range functions(p) {
			if f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: an init function", h.at(p, f.Pos()))
			}
		}
	}
}

// A package variable may be a sentinel, a pattern or a table; nobody changes it.
func TestPackageVariablesNeverChange(t *testing.T) {
	h := theHouse(t)
	for _, p := range h.pkgs {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				for _, target := range changed(n) {
					if v := packageVariable(p, target); v != nil {
						t.Errorf("%s: the package variable %s is changed", h.at(p, n.Pos()), v.Name())
					}
				}
				return true
			})
		}
		for id, o := range p.info.Defs {
			if v, ok := o.(*types.Var); ok && packageLevel(v) && mutable(v.Type()) {
				t.Errorf("%s: the package variable %s is there to be changed (%s)", h.at(p, id.Pos()), v.Name(), v.Type())
			}
		}
	}
}

func TestInterfacesAreSmall(t *testing.T) {
	h := theHouse(t)
	for _, p := range h.pkgs {
		for id, o := range p.info.Defs {
			name, ok := o.(*types.TypeName)
			if !ok || p.tests() {
				continue
			}
			if n, most := methods(name), allowed(p.path()+"."+name.Name(), maxMethods); n > most {
				t.Errorf("%s: interface %s has %d methods; %d are allowed", h.at(p, id.Pos()), name.Name(), n, most)
			}
		}
	}
}

// methods counts those of an interface; everything else has none.
func methods(name *types.TypeName) int {
	if i, ok := name.Type().Underlying().(*types.Interface); ok && !name.IsAlias() {
		return i.NumExplicitMethods()
	}
	return 0
}

func (h *house) lines(f *ast.FuncDecl) int {
	return h.fset.Position(f.End()).Line - h.fset.Position(f.Pos()).Line + 1
}

// params counts them without ctx.
func params(p *pkg, f *ast.FuncDecl) int {
	s := p.info.Defs[f.Name].(*types.Func).Signature()
	n := s.Params().Len()
	if n > 0 && s.Params().At(0).Type().String() == "context.Context" {
		n--
	}
	return n
}

func linesOf(t *testing.T, p *pkg, names []string) int {
	t.Helper()
	total := 0
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		total += bytes.Count(content, []byte("\n"))
	}
	return total
}

func functions(p *pkg) []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, file := range p.files {
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				all = append(all, f)
			}
		}
	}
	return all
}

// changed returns the expressions that n assigns to, or lends for changing.
func changed(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") {
			return n.Args[:1]
		}
	}
	return nil
}

// packageVariable returns the package's own variable that e is, or is part of.
func packageVariable(p *pkg, e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			if v, ok := p.info.Uses[x].(*types.Var); ok && packageLevel(v) {
				return v
			}
			return nil
		case *ast.SelectorExpr:
			if v, ok := p.info.Uses[x.Sel].(*types.Var); ok && packageLevel(v) {
				return v
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func packageLevel(v *types.Var) bool {
	return v.Pkg() != nil && v.Parent() == v.Pkg().Scope() && strings.HasPrefix(v.Pkg().Path()+"/", module)
}

// mutable tells whether a value of the type is of use only when it changes.
func mutable(t types.Type) bool {
	if _, ok := t.Underlying().(*types.Chan); ok {
		return true
	}
	named, ok := t.(*types.Named)
	return ok && named.Obj().Pkg() != nil && (named.Obj().Pkg().Path() == "sync" || named.Obj().Pkg().Path() == "sync/atomic")
}
