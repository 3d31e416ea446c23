package store

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// lockDir makes this process the only one that uses the data directory, until
// Close or its death. Somebody else's lock is a *LockedError.
func lockDir(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	var inUse *vfs.InUseError
	if errors.As(err, &inUse) {
		return nil, &LockedError{Dir: dir, PID: inUse.PID}
	}
	if err != nil {
		return nil, fmt.Errorf("locking data directory %s: %w", dir, err)
	}
	return lock, nil
}
