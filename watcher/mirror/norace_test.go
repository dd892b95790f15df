//go:build !race

package mirror_test

const memoryFactor = 1
