//go:build !amd64

package tapped

import "errors"

// firstCall is none: elsewhere the first call comes too late.
const firstCall = 1<<32 - 1

func hideClock(uint32) error { return errors.New("only on amd64 a program can be told another time") }
