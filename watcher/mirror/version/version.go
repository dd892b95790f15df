// Package version tells which of two tags is the newer one. Pure.
package version

import (
	"cmp"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Newer tells whether tag a is to be preferred to tag b, the best so far (""
// for none). Versions are compared as semantic versions and come before tags
// that are none; those are compared with their numbers as numbers, so that
// build-10 follows build-9. A pre-release counts only where the pattern asked
// for one by having a "-".
func Newer(a, b string, preReleases bool) bool {
	va := parse(a)
	if va != nil && va.Prerelease() != "" && !preReleases {
		return false
	}
	if b == "" {
		return true
	}
	vb := parse(b)
	switch {
	case va != nil && vb != nil:
		return va.GreaterThan(vb)
	case va != nil || vb != nil:
		return va != nil
	}
	return natural(a, b) > 0
}

func parse(tag string) *semver.Version {
	v, err := semver.NewVersion(path.Base(tag))
	if err != nil {
		return nil
	}
	return v
}

// natural compares texts with runs of digits taken as numbers.
func natural(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da == "" || db == "" {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		a, b = a[len(da):], b[len(db):]
		na, nb := strings.TrimLeft(da, "0"), strings.TrimLeft(db, "0")
		if order := cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb)); order != 0 {
			return order
		}
	}
	return cmp.Compare(len(a), len(b))
}

func digits(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}
