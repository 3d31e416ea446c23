package metrics

import (
	"sync"
	"time"
)

// complaints lets one log line through per interval: what is dropped is counted,
// the log only says where to look.
type complaints struct {
	interval time.Duration
	now      func() time.Time

	mu   sync.Mutex
	next time.Time
}

// allow reports whether it is time for a line.
func (c *complaints) allow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Before(c.next) {
		return false
	}
	c.next = now.Add(c.interval)
	return true
}
