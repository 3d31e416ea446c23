// Package vfs is the layer under the store that opens files: the only package
// that does.
//
// The store reaches the disk through FS, so that its promises about crashes
// and failing disks are tested against Mem, which loses what was not synced
// and fails the operation it is told to, as a real disk would.
//
// Invariants: a file is written once, from its beginning to its end, by one
// writer; what Sync returned nil for survives a power cut; a name made, moved
// or removed survives one after SyncDir of its directory returned nil.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// FS is a file system. It has as many methods as there are operations that can
// fail on their own: each is a place where a crash test cuts. Names are slash
// or OS paths as given to package os; errors of missing files satisfy
// errors.Is(err, fs.ErrNotExist). All methods are safe for concurrent use.
type FS interface {
	// Create makes an empty file for appending, or empties the one there.
	Create(name string) (File, error)
	// Open opens a file for reading; Sync works on it too.
	Open(name string) (File, error)
	// Rename moves a file, replacing the one there, atomically.
	Rename(from, to string) error
	// Remove unlinks a file. Open files stay readable.
	Remove(name string) error
	// List returns the names of the files in a directory, sorted.
	List(dir string) ([]string, error)
	// MkdirAll makes a directory and its missing parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes the directory's entries durable.
	SyncDir(dir string) error
	// Lock takes a lock that ends with the process or with Close. When
	// another holder has it, the error is an *InUseError.
	Lock(name string) (io.Closer, error)
	// Free returns the bytes an unprivileged process can still write.
	Free(dir string) (int64, error)
}

// File is an open file: from Create for writing, from Open for reading. ReadAt
// is safe for concurrent use.
type File interface {
	io.ReaderAt
	io.Writer // appends
	io.Closer
	// Sync makes the file's bytes durable. After an error the bytes that were
	// not yet durable must be taken for lost, whatever a later Sync says: the
	// kernel may have dropped them.
	Sync() error
	// Truncate cuts the file's end off; the next Write appends there.
	Truncate(size int64) error
	Size() (int64, error)
}

// InUseError says that somebody else holds a lock.
type InUseError struct {
	PID int // of the holder, 0 when not known
}

func (e *InUseError) Error() string { return fmt.Sprintf("locked by process %d", e.PID) }

// IsNoSpace reports whether err says that the disk, or the user's share of it,
// is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
