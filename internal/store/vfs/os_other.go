//go:build !linux && !darwin

package vfs

import (
	"errors"
	"fmt"
	"io"
	"runtime"
)

// Lock is refused where flock(2) is not known to end with the process: two
// processes on one data directory would destroy it.
func (osFS) Lock(name string) (io.Closer, error) {
	return nil, fmt.Errorf("locking %s on %s: %w", name, runtime.GOOS, errors.ErrUnsupported)
}

func (osFS) Free(dir string) (int64, error) {
	return 0, fmt.Errorf("asking for the free space of %s on %s: %w", dir, runtime.GOOS, errors.ErrUnsupported)
}
