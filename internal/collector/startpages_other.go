//go:build !linux

package collector

// ReleaseStartPages does nothing where the kernel is not Linux.
func ReleaseStartPages() error { return nil }
