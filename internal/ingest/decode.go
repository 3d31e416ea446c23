package ingest

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// TracesFromWire reads the bytes of an ExportTraceServiceRequest. The batch
// keeps the payload, and its strings are parts of it: neither may change any
// more. An error is a *MalformedError, and then nothing is kept.
func TracesFromWire(payload []byte) (*store.Batch, error) { return FromWire(store.Spans, payload) }

// LogsFromWire is TracesFromWire for an ExportLogsServiceRequest.
func LogsFromWire(payload []byte) (*store.Batch, error) { return FromWire(store.Logs, payload) }

// Decode reads the payload of a batch again, as the store does when it replays
// its log.
func Decode(k store.Kind, payload []byte) (*store.Batch, error) {
	b, err := FromWire(k, payload)
	if err != nil || k != store.Logs {
		return b, err
	}
	at, err := arrival(payload)
	if err != nil {
		return nil, located(err, payload)
	}
	if at != 0 {
		setArrival(b.Logs, at)
	}
	return b, nil
}

// FromWire is TracesFromWire or LogsFromWire.
func FromWire(k store.Kind, payload []byte) (*store.Batch, error) {
	return new(Reader).FromWire(k, payload, func(int) bool { return true })
}

// ErrNoRoom is returned by a Reader for a request that could be read if
// there were memory.
var ErrNoRoom = errors.New("no memory for the request")

// Reader reads one request after the other into the same memory.
type Reader struct {
	d     decoder
	taken int
}

// FromWire is FromWire for those who bound what they hold: more is asked before
// so many bytes of memory are taken. The batch and all that hangs on it is good
// until the next call.
func (r *Reader) FromWire(k store.Kind, payload []byte, more func(bytes int) bool) (*store.Batch, error) {
	d := &r.d
	d.kind, d.more = k, more
	d.left, d.granted = memoryFloor+memoryFactor*len(payload), 0
	d.attrs.reuse()
	d.inner.reuse()
	d.events.reuse()
	d.links.reuse()
	err := d.decode(payload)
	d.more = nil
	r.taken = memoryFloor + memoryFactor*len(payload) - d.left
	if err != nil {
		return nil, located(err, payload)
	}
	return &store.Batch{Kind: k, Payload: payload, Spans: d.spans, Logs: d.logs}, nil
}

// Bytes is about how much memory the last request took, which the Reader keeps.
func (r *Reader) Bytes() int { return r.taken }

// A request may take memoryFloor and memoryFactor times its length in memory.
// Two bytes on the wire can ask for a span of 250 in memory, so that 100 MB of
// nothing would take 12 GB; records with ids, times and attributes take two to
// six times their length.
const (
	memoryFloor  = 1 << 20
	memoryFactor = 16
)

// decoder reads one request.
type decoder struct {
	kind  store.Kind
	spans []store.Span // its capacity is the number of spans in the request
	logs  []store.Log  // likewise

	// attrs holds the attributes of the message being read. Those of events
	// and links have their own arena: they come between a span's.
	attrs  arena[store.Attr]
	inner  arena[store.Attr]
	events arena[store.Event]
	links  arena[store.Link]

	left    int // bytes of memory that may still be taken
	granted int // of those, for which more was asked
	more    func(bytes int) bool
}

// decode makes room for the records and reads them.
func (d *decoder) decode(payload []byte) error {
	n, err := countRecords(payload, 0)
	if err != nil {
		return err
	}
	switch d.kind {
	case store.Spans:
		if err := d.spend(payload, n*int(unsafe.Sizeof(store.Span{}))); err != nil {
			return err
		}
		d.spans, d.logs = emptied(d.spans, n), nil
	case store.Logs:
		if err := d.spend(payload, n*int(unsafe.Sizeof(store.Log{}))); err != nil {
			return err
		}
		d.logs, d.spans = emptied(d.logs, n), nil
	default:
		return fmt.Errorf("decoding a payload of kind %d: no such kind", d.kind)
	}
	return d.request(payload)
}

// spend takes n bytes from what the request may use; b is where it is read.
func (d *decoder) spend(b []byte, n int) error {
	if d.left -= n; d.left < 0 {
		return failAt(b, "request takes more than %d times its length in memory", memoryFactor)
	}
	if d.granted -= n; d.granted < 0 {
		ask := max(-d.granted, moreBytes)
		if !d.more(ask) {
			return ErrNoRoom
		}
		d.granted += ask
	}
	return nil
}

// moreBytes is the least that is asked for.
const moreBytes = 64 << 10

// emptied is a slice with room for n zero elements, of the memory of s where that
// is enough.
func emptied[T any](s []T, n int) []T {
	if n > cap(s) || s == nil {
		return make([]T, 0, n)
	}
	clear(s[:n])
	return s[:0]
}

// arena cuts slices from chunks, so that most messages cost no allocation of
// their own. The open run is what was added since the last cut.
type arena[T any] struct {
	chunk []T
	start int // of the open run
	full  [][]T
	spare [][]T // chunks of the request before
}

// Elements per chunk: the first is small for small requests, the largest stays
// below the size from which the runtime allocates pages.
const (
	minChunk = 16
	maxChunk = 512
)

// reuse makes the chunks of the request before those of the next.
func (a *arena[T]) reuse() {
	a.spare = append(a.spare, a.full...)
	if cap(a.chunk) > 0 {
		a.spare = append(a.spare, a.chunk)
	}
	a.chunk, a.start, a.full = nil, 0, a.full[:0]
}

// add appends a zero element to the open run. The pointer is good until the
// next add.
func (a *arena[T]) add(d *decoder, b []byte) (*T, error) {
	if len(a.chunk) == cap(a.chunk) {
		if err := a.grow(d, b); err != nil {
			return nil, err
		}
	}
	a.chunk = a.chunk[:len(a.chunk)+1]
	return &a.chunk[len(a.chunk)-1], nil
}

// grow begins a new chunk with the open run.
func (a *arena[T]) grow(d *decoder, b []byte) error {
	var zero T
	run := a.chunk[a.start:]
	n := max(minChunk, min(2*cap(a.chunk), maxChunk), 2*len(run))
	next := a.take(n)
	if err := d.spend(b, max(n, cap(next))*int(unsafe.Sizeof(zero))); err != nil {
		return err
	}
	if next == nil {
		next = make([]T, 0, n)
	}
	next = append(next, run...)
	if cap(a.chunk) > 0 {
		a.full = append(a.full, a.chunk)
	}
	a.chunk, a.start = next, 0
	return nil
}

// take takes a spare chunk that has room for n elements, nil when there is none.
func (a *arena[T]) take(n int) []T {
	for len(a.spare) > 0 {
		last := len(a.spare) - 1
		chunk := a.spare[last]
		a.spare = a.spare[:last]
		if cap(chunk) >= n {
			clear(chunk[:cap(chunk)])
			return chunk[:0]
		}
	}
	return nil
}

// cut ends the open run and returns it, nil when it is empty.
func (a *arena[T]) cut() []T {
	n := len(a.chunk)
	if a.start == n {
		return nil
	}
	run := a.chunk[a.start:n:n]
	a.start = n
	return run
}
