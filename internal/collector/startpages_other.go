//go:build !linux

package collector

// releaseStartPages does nothing where the kernel is not Linux.
func releaseStartPages() error { return nil }
