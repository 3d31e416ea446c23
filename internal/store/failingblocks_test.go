package store

import (
	"io/fs"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// failingBlocks is a file system on which blocks of spans cannot be made while
// fail is set.
type failingBlocks struct {
	*vfs.Mem
	fail atomic.Bool
}

func (f *failingBlocks) Create(name string) (vfs.File, error) {
	if f.fail.Load() && strings.Contains(name, "spans-") && strings.Contains(name, blockSuffix) {
		return nil, &fs.PathError{Op: "create", Path: name, Err: syscall.EIO}
	}
	return f.Mem.Create(name)
}
