//go:build !linux

package spec_test

import "time"

// spent is the time of the wall, where a thread's own cannot be had.
func spent() time.Duration { return time.Duration(time.Now().UnixNano()) }
