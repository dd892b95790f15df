package features_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// imports are all import paths of the module's files.
var imports = sync.OnceValues(func() (map[string]bool, error) {
	all := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			if p, err := strconv.Unquote(i.Path.Value); err == nil {
				all[p] = true
			}
		}
		return nil
	})
	return all, err
})

// imported tells whether any file imports a package of the module.
func imported(t *testing.T, module string) bool {
	t.Helper()
	all, err := imports()
	if err != nil {
		t.Fatal(err)
	}
	for p := range all {
		if p == module || strings.HasPrefix(p, module+"/") {
			return true
		}
	}
	return false
}
