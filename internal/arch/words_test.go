package arch

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A package comment says what lives there and what may not.
func TestEveryPackageSaysWhatLivesThere(t *testing.T) {
	for _, p := range theHouse(t).pkgs {
		if len(p.files) == 0 {
			continue // tests only
		}
		if !slices.ContainsFunc(p.files, func(f *ast.File) bool { return f.Doc != nil }) {
			t.Errorf("%s has no package comment", p.path())
		}
	}
}

func TestEveryExportedNameIsExplained(t *testing.T) {
	h := theHouse(t)
	for _, p := range h.pkgs {
		for _, file := range p.files {
			for _, d := range file.Decls {
				for _, id := range unexplained(d) {
					t.Errorf("%s: %s has no comment", h.at(p, id.Pos()), id.Name)
				}
			}
		}
	}
}

func TestPackagesAreNamedForWhatIsInThem(t *testing.T) {
	vague := regexp.MustCompile(`(?i)util|helper|manager|common|misc|^data$`)
	for _, p := range theHouse(t).pkgs {
		if vague.MatchString(p.Name) {
			t.Errorf("package %s (%s) has a name that says nothing", p.Name, p.path())
		}
	}
}

// unexplained returns the exported names that d declares without a comment on
// them or on their group.
func unexplained(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || ofExported(d) && !obvious(d.Name.Name)) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var all []*ast.Ident
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
					all = append(all, s.Name)
				}
			case *ast.ValueSpec:
				for _, id := range s.Names {
					if id.IsExported() && s.Doc == nil && d.Doc == nil && s.Comment == nil {
						all = append(all, id)
					}
				}
			}
		}
		return all
	}
	return nil
}

func ofExported(f *ast.FuncDecl) bool {
	of := f.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// obvious are the methods of the standard library's interfaces.
func obvious(name string) bool {
	return slices.Contains(strings.Fields("String Error Unwrap Is As Read Write Close Len Less Swap "+
		"MarshalJSON UnmarshalJSON MarshalText UnmarshalText MarshalYAML UnmarshalYAML LogValue Format GoString ServeHTTP"), name)
}
