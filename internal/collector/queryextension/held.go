package queryextension

import (
	"time"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// held is what the status answer says about the data.
type held struct {
	Directory   string      `json:"directory"`
	Spans       heldRecords `json:"spans"`
	Logs        heldRecords `json:"logs"`
	Bytes       int64       `json:"bytes"`    // of traces and logs on disk
	LogBytes    int64       `json:"walBytes"` // of them not yet in blocks
	Quarantined int         `json:"quarantinedFiles"`
	Metrics     heldMetrics `json:"metrics"`
}

// heldRecords is the part of one kind of records.
type heldRecords struct {
	Records uint64     `json:"records"`
	Blocks  int        `json:"blocks"`
	Oldest  *time.Time `json:"oldest,omitempty"`
	Newest  *time.Time `json:"newest,omitempty"`
	// Refusing says why senders are told to come again later, "" when they
	// are not.
	Refusing string `json:"refusing,omitempty"`
}

// heldMetrics is the part of the metrics database.
type heldMetrics struct {
	Series uint64     `json:"series"`
	Blocks int        `json:"blocks"`
	Bytes  int64      `json:"blockBytes"`
	Oldest *time.Time `json:"oldest,omitempty"`
	Newest *time.Time `json:"newest,omitempty"`
}

func (q *queries) held() held {
	s := q.store.Stats()
	h := held{Directory: q.config.Directory, Spans: heldOf(s.Spans), Logs: heldOf(s.Logs),
		Bytes: s.Bytes, LogBytes: s.WALBytes, Quarantined: s.Quarantined}
	if m, err := q.metrics.Stats(); err == nil { // closed: nothing to tell
		h.Metrics = heldMetrics{m.Series, m.Blocks, m.BlockBytes, known(m.MinTime), known(m.MaxTime)}
	}
	return h
}

func heldOf(k store.KindStats) heldRecords {
	return heldRecords{k.Records, k.Blocks, known(k.Oldest), known(k.Newest), k.Refusing}
}

// known is t, or nil when there is no such time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
