package webhook_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingOfACallIsComparedWithASecretByteByByte reads the code: what a clock
// would tell of a secret, byte by byte, no call can show. It looks at all that
// decides whether a call is authentic: every function that is given a key.
func TestNothingOfACallIsComparedWithASecretByteByByte(t *testing.T) {
	keyed, safe := 0, 0
	for path, pattern := range map[string]string{"watcher/webhook": "*.go", "internal/secret": "value.go"} {
		files, info := parsed(t, path, filepath.Join("../..", path, pattern))
		for _, file := range files {
			for _, decl := range file.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil && handlesKeys(f, info) {
					keyed++
					safe += comparisons(t, f, info)
				}
			}
		}
	}
	if keyed < 8 || safe < 4 {
		t.Errorf("%d functions with a key were found, and %d comparisons in constant time: the check looks past the code", keyed, safe)
	}
}

// comparisons counts a function's comparisons in constant time; any other but
// with a constant fails the test.
func comparisons(t *testing.T, f *ast.FuncDecl, info *types.Info) (safe int) {
	t.Helper()
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			constant := info.Types[n.X].Value != nil || info.Types[n.Y].Value != nil
			if (n.Op == token.EQL || n.Op == token.NEQ) && !constant && bytesOrText(info.Types[n.X].Type) {
				t.Errorf("%s compares with %s; use hmac.Equal", f.Name.Name, n.Op)
			}
		case *ast.CallExpr:
			switch name := called(info, n); name {
			case "bytes.Equal", "bytes.Compare", "bytes.HasPrefix", "strings.Compare", "strings.EqualFold", "slices.Equal", "slices.Compare", "reflect.DeepEqual":
				t.Errorf("%s compares with %s; use hmac.Equal", f.Name.Name, name)
			case "crypto/hmac.Equal", "crypto/subtle.ConstantTimeCompare", "(github.com/fairlead-deploy/fairlead/internal/secret.Value).Equal":
				safe++
			}
		}
		return true
	})
	return safe
}

// parsed are files of one package without its tests.
func parsed(t *testing.T, path, pattern string) (files []*ast.File, info *types.Info) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(set, "source", nil)}
	if _, err := config.Check(path, set, files, info); err != nil {
		t.Fatal(err)
	}
	return files, info
}

// handlesKeys tells whether a function has to do with a secret.
func handlesKeys(f *ast.FuncDecl, info *types.Info) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if ok && info.Types[e].Type != nil && strings.HasSuffix(info.Types[e].Type.String(), "internal/secret.Value") {
			found = true
		}
		return !found
	})
	return found
}

func bytesOrText(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0
	case *types.Array: // [32]byte
		return true
	}
	return false
}

// called is the full name of what is called.
func called(info *types.Info, call *ast.CallExpr) string {
	if s, ok := call.Fun.(*ast.SelectorExpr); ok {
		if f, ok := info.Uses[s.Sel].(*types.Func); ok {
			return f.FullName()
		}
	}
	return ""
}
