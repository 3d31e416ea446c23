package query

import "time"

// Limits bounds what one question may cost. A zero field means its default.
type Limits struct {
	MaxRows  int // records examined for one question; 5 million
	Results  int // records or traces in one answer; 10,000
	Buffered int // records that wait for the reader of a tail; 1,000
}

func (l Limits) withDefaults() Limits {
	set(&l.MaxRows, 5_000_000)
	set(&l.Results, 10_000)
	set(&l.Buffered, 1_000)
	return l
}

func set(field *int, value int) {
	if *field <= 0 {
		*field = value
	}
}

// Engine answers questions. It has no state but the store's readers, so it is
// safe for concurrent use and needs no closing.
type Engine struct {
	reader   Reader
	catalog  Catalog
	follower Follower // nil: Tail is refused
	limits   Limits
	now      func() time.Time
}

// New makes an engine over a store's readers; follower may be nil.
func New(reader Reader, catalog Catalog, follower Follower, limits Limits) *Engine {
	return &Engine{reader: reader, catalog: catalog, follower: follower, limits: limits.withDefaults(), now: time.Now}
}
