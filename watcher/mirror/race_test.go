//go:build race

package mirror_test

// memoryFactor is how much more memory the race detector takes.
const memoryFactor = 10
