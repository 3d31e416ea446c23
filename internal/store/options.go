package store

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// Options configures a Store. Start from NewDefaultOptions.
type Options struct {
	// FS is where the data directory lies.
	FS vfs.FS
	// Decode makes a batch of a payload again, when the log is replayed. It
	// owns payload.
	Decode func(k Kind, payload []byte) (*Batch, error)

	// MaxAge removes a block whose newest record is older, or that is older
	// itself when that record is from the future; 0 keeps all.
	MaxAge time.Duration
	// MaxBytes removes the oldest blocks while blocks and log together are
	// larger; 0 keeps all.
	MaxBytes int64

	// Sync says when a batch is acknowledged.
	Sync SyncMode

	// SealRows, SealBytes (of memory) and SealAge bound what is kept in
	// memory: whichever is reached first makes a block of it. There are up to
	// two such heads for each kind, the second being sealed.
	SealRows  int
	SealBytes int64
	SealAge   time.Duration

	// Reserve is the free disk space below which batches are refused, so that
	// there is room to seal what was accepted.
	Reserve int64

	Logger     *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time
}

// SyncMode says when a batch is acknowledged.
type SyncMode uint8

const (
	// SyncGroup acknowledges after fsync: nothing is lost in a power cut.
	// Batches that arrive during an fsync share the next one.
	SyncGroup SyncMode = iota
	// SyncInterval acknowledges after write and syncs within 100 ms: a kill
	// loses nothing, a power cut at most that interval.
	SyncInterval
)

// syncInterval is the longest time between write and fsync with SyncInterval.
const syncInterval = 100 * time.Millisecond

// String returns the mode as it is written in configurations.
func (m SyncMode) String() string {
	if m == SyncInterval {
		return "interval"
	}
	return "group"
}

// MarshalText writes the mode as UnmarshalText reads it.
func (m SyncMode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode from a configuration.
func (m *SyncMode) UnmarshalText(text []byte) error {
	switch string(text) {
	case "group":
		*m = SyncGroup
	case "interval":
		*m = SyncInterval
	default:
		return fmt.Errorf("sync mode %q is neither %q nor %q", text, SyncGroup, SyncInterval)
	}
	return nil
}

// NewDefaultOptions returns the defaults. Decode has none.
func NewDefaultOptions() Options {
	return Options{
		FS:        vfs.OS,
		MaxAge:    7 * 24 * time.Hour,
		MaxBytes:  10 << 30,
		Sync:      SyncGroup,
		SealRows:  64 << 10,
		SealBytes: 64 << 20,
		SealAge:   time.Hour,
		Reserve:   256 << 20,
		Now:       time.Now,
	}
}

// Validate says what is wrong with the options.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	check(o.FS != nil, "no file system given")
	check(o.Decode != nil, "no decoder given: what is in the log could not be read again")
	check(o.Now != nil, "no clock given")
	check(o.MaxAge >= 0, "maximum age is negative: 0 keeps everything")
	check(o.MaxBytes >= 0, "maximum size is negative: 0 keeps everything")
	check(o.Sync <= SyncInterval, "unknown sync mode")
	check(o.SealRows > 0 && o.SealRows <= maxSealRows, fmt.Sprintf("rows per block must be 1 to %d", maxSealRows))
	check(o.SealBytes > 0, "bytes per head must be more than 0")
	check(o.SealAge > 0, "age of a head must be more than 0")
	check(o.Reserve >= 0, "disk reserve is negative: 0 writes until the disk is full")
	return errors.Join(errs...)
}

// maxSealRows bounds a block, and a batch, so that a block filled by the
// largest batch has at most 1<<24 rows.
const maxSealRows = 8 << 20
