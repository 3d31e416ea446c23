package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrClosed is returned by a database that was closed.
var ErrClosed = errors.New("metrics database is closed")

// RefusedError says that no sample of a batch could be stored and that sending
// it again will not change that. A batch of which only a part was dropped is no
// error: the part is counted in signalbox_metrics_dropped_samples_total.
type RefusedError struct {
	Dropped map[string]int // samples by reason, never empty
	Example string         // one of the problems in words
}

func (e *RefusedError) Error() string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(e.Dropped)) {
		parts = append(parts, fmt.Sprintf("%d %s", e.Dropped[reason], reason))
	}
	return fmt.Sprintf("no sample could be stored (%s): %s", strings.Join(parts, ", "), e.Example)
}

// UnavailableError says that nothing of a batch was kept and that the sender
// may send it again later.
type UnavailableError struct {
	Reason     string // "disk_full" or "storage": also the label of the refused counter
	RetryAfter time.Duration
	Err        error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("metrics are not accepted now, send again in %s: %v", e.RetryAfter, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// LockedError says that another process, or another DB of this process, holds
// the directory.
type LockedError struct {
	Dir string
	Err error
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("metrics directory %s is in use by another process: stop it or choose another directory: %v", e.Dir, e.Err)
}

// Unwrap returns the cause.
func (e *LockedError) Unwrap() error { return e.Err }

// retryAfter is how long a sender should wait when the disk refuses writes: a
// full disk is rarely emptied sooner.
const retryAfter = 30 * time.Second

// unavailable turns an error of the disk into one that says what to do.
func unavailable(err error) *UnavailableError {
	reason := reasonStorage
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		reason = reasonDiskFull
	}
	return &UnavailableError{Reason: reason, RetryAfter: retryAfter, Err: err}
}
