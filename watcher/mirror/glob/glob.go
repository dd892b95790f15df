// Package glob tells which paths of a repository are wanted: "*" and "?" within
// a name, "**" for any number of folders; a folder that matches brings all that
// is in it. Pure.
package glob

import (
	"fmt"
	"path"
	"strings"
)

// Set is a set of globs over paths, taken apart at slashes.
type Set [][]string

// New reads globs. The error names the first that is no glob, or leads out of
// the repository.
func New(globs []string) (Set, error) {
	var s Set
	for _, g := range globs {
		clean := path.Clean(strings.TrimPrefix(g, "/"))
		if _, err := path.Match(clean, ""); err != nil || clean == ".." || strings.HasPrefix(clean, "../") {
			return nil, fmt.Errorf("%q is no path or glob inside the repository", g)
		}
		s = append(s, strings.Split(clean, "/"))
	}
	return s, nil
}

// noted ends a glob of what is only noted; no name in a commit is that.
const noted = "\x00"

// Note makes a glob that brings nothing: it asks which object is at the paths
// that match g.
func Note(g string) string { return strings.TrimSuffix(g, "/") + "/" + noted }

// Noted tells whether it is asked which object is at the path.
func (s Set) Noted(at string) bool {
	parts := append(strings.Split(at, "/"), noted)
	for _, glob := range s {
		if glob[len(glob)-1] == noted && match(glob, parts) {
			return true
		}
	}
	return false
}

// File tells whether the path, or a folder above it, is wanted.
func (s Set) File(at string) bool {
	parts := strings.Split(at, "/")
	for _, glob := range s {
		for n := 1; n <= len(parts); n++ {
			if match(glob, parts[:n]) {
				return true
			}
		}
	}
	return false
}

// Folder tells whether something below the path may be wanted.
func (s Set) Folder(at string) bool {
	if s.File(at) {
		return true
	}
	parts := strings.Split(at, "/")
	for _, glob := range s {
		if begins(glob, parts) {
			return true
		}
	}
	return false
}

func match(glob, parts []string) bool {
	if len(glob) == 0 {
		return len(parts) == 0
	}
	if glob[0] == "**" {
		return match(glob[1:], parts) || (len(parts) > 0 && match(glob, parts[1:]))
	}
	return len(parts) > 0 && one(glob[0], parts[0]) && match(glob[1:], parts[1:])
}

// begins tells whether a longer path that starts with parts can match.
func begins(glob, parts []string) bool {
	for i, part := range parts {
		if i >= len(glob) {
			return false
		}
		if glob[i] == "**" {
			return true
		}
		if !one(glob[i], part) {
			return false
		}
	}
	return len(glob) > len(parts)
}

func one(glob, part string) bool {
	ok, err := path.Match(glob, part)
	return ok && err == nil
}
