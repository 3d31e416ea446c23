package store

import (
	"errors"
	"fmt"
	"time"
)

// ErrClosed is returned by a store that was closed.
var ErrClosed = errors.New("store is closed")

// CorruptionError says that bytes on disk are not what was written. Nothing
// acknowledged is dropped silently: the file is set aside and counted.
type CorruptionError struct {
	File   string // relative to the data directory
	Offset int64
	Reason string
	// Err is the disk's, when it did not give the bytes. They may come another
	// time, so the file stays where it is.
	Err error
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%s at offset %d: %s", e.File, e.Offset, e.Reason)
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// OverloadError refuses a batch that the sender may send again later: nothing
// of it was kept.
type OverloadError struct {
	Reason     string // "disk full", "sealing behind": also the label of the refused counter
	RetryAfter time.Duration
}

func (e *OverloadError) Error() string {
	return fmt.Sprintf("refused, send again in %s: %s", e.RetryAfter, e.Reason)
}

// DiskFull reports whether room on the disk is what is missing.
func (e *OverloadError) DiskFull() bool { return e.Reason == reasonDiskFull }

// LockedError says that another process holds the data directory.
type LockedError struct {
	Dir string
	PID int // 0 when not known
}

func (e *LockedError) Error() string {
	if e.PID != 0 {
		return fmt.Sprintf("data directory %s is in use by process %d", e.Dir, e.PID)
	}
	return fmt.Sprintf("data directory %s is in use by another process", e.Dir)
}
