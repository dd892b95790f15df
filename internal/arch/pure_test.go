package arch

import (
	"go/ast"
	"slices"
	"testing"
)

// What decides has no world: the same values give the same answer everywhere.
func TestWhatDecidesIsPure(t *testing.T) {
	pure := []string{"release", "deployer/spec", "deployer/plan", "deployer/container", "deployer/policy"}
	forbidden := []string{"os", "os/exec", "os/signal", "os/user", "net/http", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog", "sync", "context"}
	h := theHouse(t)
	for _, p := range h.pkgs {
		if !within(p.path(), pure...) {
			continue
		}
		for _, path := range p.Imports {
			if slices.Contains(forbidden, path) {
				t.Errorf("%s imports %s, and is to be pure", p.path(), path)
			}
		}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if g, ok := n.(*ast.GoStmt); ok {
					t.Errorf("%s: a goroutine, in a package that is to be pure", h.at(p, g.Pos()))
				}
				if s, ok := n.(*ast.SelectorExpr); ok && (clock(p, s) || network(p, s)) {
					t.Errorf("%s: %s, in a package that is to be pure", h.at(p, s.Pos()), s.Sel.Name)
				}
				return true
			})
		}
	}
}

// clock tells whether s reads or waits for the clock.
func clock(p *pkg, s *ast.SelectorExpr) bool {
	return of(p, s, "time") &&
		slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}, s.Sel.Name)
}

// network tells whether s is anything of package net but its notation.
func network(p *pkg, s *ast.SelectorExpr) bool {
	return of(p, s, "net") && !slices.Contains([]string{"ParseIP", "ParseCIDR", "SplitHostPort", "JoinHostPort", "IP", "IPNet"}, s.Sel.Name)
}

// of tells whether s names something that the package at path declares.
func of(p *pkg, s *ast.SelectorExpr, path string) bool {
	o := p.info.Uses[s.Sel]
	return o != nil && o.Pkg() != nil && o.Pkg().Path() == path && o.Parent() == o.Pkg().Scope()
}
