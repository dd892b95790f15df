//go:build race

package spec_test

const underRace = true
