//go:build !linux

package store_test

// tappedMain is nothing where calls cannot be asked about.
func tappedMain() (done bool, err error) { return false, nil }
