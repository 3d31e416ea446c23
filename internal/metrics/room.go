package metrics

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
)

// room answers whether the disk has room for another batch. It asks the disk at
// most once a second, because every batch asks it.
type room struct {
	min  uint64
	free func() (uint64, error)
	now  func() time.Time

	mu    sync.Mutex
	asked time.Time
	last  error
}

// roomInterval is how long an answer of the disk is believed.
const roomInterval = time.Second

// newRoom watches the disk that holds dir.
func newRoom(dir string, minFree int64) *room {
	return &room{
		min: uint64(minFree),
		now: time.Now,
		free: func() (uint64, error) {
			u, err := disk.Usage(dir)
			if err != nil {
				return 0, err
			}
			return u.Free, nil
		},
	}
}

// check returns an error that wraps ENOSPC when less than the minimum is free.
// A disk that does not answer has room: the write itself will tell.
func (r *room) check() error {
	if r.min == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := r.now(); r.asked.IsZero() || now.Sub(r.asked) >= roomInterval {
		r.asked, r.last = now, nil
		if free, err := r.free(); err == nil && free < r.min {
			r.last = fmt.Errorf("%d bytes are free on the disk, %d are kept in reserve: %w", free, r.min, syscall.ENOSPC)
		}
	}
	return r.last
}
