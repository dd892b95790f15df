package features_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-deploy/fairlead/internal/features"
)

const root = "../.."

func TestEveryPromiseNamesATestThatExists(t *testing.T) {
	promises := read(t, filepath.Join(root, "docs", "features.md"))
	if len(promises) < 30 {
		t.Errorf("only %d promises were found", len(promises))
	}
	for _, p := range promises {
		for _, test := range p.Tests {
			if !exists(t, test) {
				t.Errorf("docs/features.md:%d: no test %s in ./%s", p.Line, test.Name, test.Package)
			}
		}
	}
}

func TestEveryPromiseNamesACommandThatExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range read(t, filepath.Join(root, "docs", "features.md")) {
		for _, command := range p.Commands {
			target, ok := strings.CutPrefix(command, "make ")
			target, _, _ = strings.Cut(target, " ")
			if !ok || !strings.Contains("\n"+string(makefile), "\n"+target+":") {
				t.Errorf("docs/features.md:%d: %q is neither FOLDER.TestName nor a target of the Makefile", p.Line, command)
			}
		}
	}
}

// The other documents quote tests the same way.
func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(documents) == 0 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	for _, path := range append(documents, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range features.Named(string(content)) {
			if !exists(t, test) {
				t.Errorf("%s: no test %s in ./%s", filepath.Base(path), test.Name, test.Package)
			}
		}
	}
}

func TestAPromiseThatNothingShowsIsAnError(t *testing.T) {
	_, err := features.Read(strings.NewReader("| promise | shown by |\n|---|---|\n| It flies | one day |\n"))
	if err == nil || err.Error() != `line 3: nothing shows "It flies"` {
		t.Errorf("got %v", err)
	}
}

func TestRowsAreRead(t *testing.T) {
	got, err := features.Read(strings.NewReader("# x\n\n| promise | shown by |\n|---|---|\n| It `runs` | `a/b.TestX`, `make demo ONCE=1` |\n"))
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	p := got[0]
	if p.Line != 5 || p.Text != "It `runs`" || len(p.Tests) != 1 || p.Tests[0].String() != "a/b.TestX" || len(p.Commands) != 1 {
		t.Errorf("got %+v", p)
	}
}

func read(t *testing.T, path string) []features.Promise {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	promises, err := features.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return promises
}

// exists looks for the function in the folder's test files.
func exists(t *testing.T, test features.Test) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, test.Package, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == test.Name {
				return true
			}
		}
	}
	return false
}
