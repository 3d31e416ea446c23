package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
)

// Store keeps traces and logs in one data directory. It is safe for concurrent
// use.
type Store struct {
	dir     string
	o       Options
	log     *slog.Logger
	lock    io.Closer
	metrics *metrics
	tail    tail
	sums    *sumCache
	dicts   *dictCache
	lanes   [len(kinds)]*lane // in the order of kinds

	manifestMu sync.Mutex
	manifest   *manifest // what is on disk

	seals       chan *lane // lanes with a frozen generation: at most all of them
	expireMu    sync.Mutex
	merging     sync.Mutex // held while blocks are merged: once at a time
	clock       wallClock  // under expireMu
	quarantined atomic.Int64

	closeOnce    sync.Once
	closeErr     error
	closed       atomic.Bool
	closing      chan struct{}
	sealerDone   chan struct{}
	maintainDone chan struct{}
}

// Open opens the store in a data directory, making it when it is missing. What
// was acknowledged before a crash is there again; files that cannot be read
// are set aside, counted and logged, and the rest is opened. A directory that
// another process uses is a *LockedError.
func Open(dir string, o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("checking the options of the store: %w", err)
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("making data directory %s: %w", dir, err)
	}
	lock, err := lockDir(o.FS, dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, o: o, log: o.Logger, lock: lock,
		sums: newSumCache(), dicts: newDictCache(), seals: make(chan *lane, len(kinds)), closing: make(chan struct{}),
		sealerDone: make(chan struct{}), maintainDone: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.metrics = newMetrics(s.Stats)
	s.tail = tail{metrics: s.metrics, followers: map[*follower]struct{}{}}
	err = s.load()
	if err == nil {
		err = s.metrics.register(o.Registerer)
	}
	if err != nil {
		s.releaseBlocks()
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, err), lock.Close())
	}
	for _, l := range s.lanes {
		l.start()
	}
	go s.sealer()
	go s.maintain()
	return s, nil
}

// lane returns the lane of kind k.
func (s *Store) lane(k Kind) *lane {
	if k == Logs {
		return s.lanes[1]
	}
	return s.lanes[0]
}

// compressBuffers holds the buffers in which payloads are compressed.
var compressBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Append keeps a batch. When it returns nil the batch is durable (with
// SyncInterval: written) and visible to readers. The batch is read-only from
// the call on. An *OverloadError says that nothing of it was kept and that it
// may be sent again; after any other error that is not known. A batch that was
// kept before, byte for byte, is acknowledged and not kept again. While sealing is
// behind, batches are held back, for at most 300 ms. ctx is looked at until
// something is written: what is written is waited for, so that the answer is
// definite.
func (s *Store) Append(ctx context.Context, b *Batch) error {
	err := s.append(ctx, b)
	var refused *OverloadError
	if errors.As(err, &refused) {
		s.metrics.refused.WithLabelValues(refused.Reason).Add(float64(b.Len()))
	}
	return err
}

func (s *Store) append(ctx context.Context, b *Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return ErrClosed
	}
	if b.Len() == 0 {
		return nil
	}
	if b.Kind != Spans && b.Kind != Logs {
		return fmt.Errorf("batch of unknown kind %d", b.Kind)
	}
	if len(b.Payload) == 0 {
		return errors.New("batch without payload: it could not be replayed")
	}
	if len(b.Payload) > maxPayload || b.Len() > maxSealRows {
		return fmt.Errorf("batch of %d records in %d bytes is above the limit of %d in %d: send smaller batches",
			b.Len(), len(b.Payload), maxSealRows, maxPayload)
	}
	l := s.lane(b.Kind)
	hold := l.hold(len(b.Payload))
	if err := hold.pace(ctx); err != nil {
		return err
	}
	buf := compressBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= maxIdleBuffer {
			compressBuffers.Put(buf)
		}
	}()
	*buf = s2.Encode((*buf)[:cap(*buf)], b.Payload)
	for {
		op := &appendOp{batch: b, compressed: *buf, done: make(chan error, 1)}
		if err := l.enqueue(op); err != nil {
			return err
		}
		if err := <-op.done; err != errNoRoom {
			return err
		}
		again, err := hold.room(ctx)
		if err != nil {
			return err
		}
		if !again {
			l.noteRefusing(reasonSealing)
			return overload(reasonSealing)
		}
	}
}

// diskLow reports whether there is less free space than the reserve.
func (s *Store) diskLow() bool {
	free, err := s.o.FS.Free(s.dir)
	// Not knowing is no reason to refuse: the write will tell.
	return err == nil && free < s.o.Reserve
}

// Flush seals what is in memory and returns when it is in blocks, or with the
// error of an attempt that failed (it is repeated all the same).
func (s *Store) Flush(ctx context.Context) error {
	for _, l := range s.lanes {
		if err := l.flush(ctx); err != nil {
			return fmt.Errorf("flushing %s: %w", l.kind, err)
		}
	}
	return nil
}

func (l *lane) flush(ctx context.Context) error {
	for {
		op := &appendOp{roll: true, done: make(chan error, 1)}
		if err := l.enqueue(op); err != nil {
			return err
		}
		if err := <-op.done; err != nil || op.frozen == nil {
			return err
		}
		select {
		case <-op.frozen.sealed:
		case err := <-op.frozen.failed:
			return err
		case <-l.s.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
		if !op.again {
			return nil
		}
	}
}

// Close lets appends that are under way finish, waits for a block being
// written, and releases the directory. What is in memory only stays in the log
// and is replayed at the next Open: no tiny blocks. Readers under way may go
// on. Later calls return what the first one did.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		close(s.closing)
		for _, l := range s.lanes {
			l.close()
		}
		<-s.sealerDone
		<-s.maintainDone
		s.tail.close()
		s.metrics.unregister(s.o.Registerer)
		s.releaseBlocks()
		s.closeErr = s.lock.Close()
	})
	return s.closeErr
}

// releaseBlocks lets go of all blocks and refuses new readers; a block being
// read stays open until the reader has finished.
func (s *Store) releaseBlocks() {
	for _, l := range s.lanes {
		if l == nil {
			continue
		}
		l.view.Lock()
		blocks := l.blocks
		l.blocks, l.closedToReaders = nil, true
		l.view.Unlock()
		for _, b := range blocks {
			b.release()
		}
	}
}

// Stats says what the store holds.
type Stats struct {
	Bytes       int64 // on disk: blocks and log
	WALBytes    int64 // of the log alone
	Blocks      int
	Quarantined int // files set aside because they could not be read
	Spans, Logs KindStats
}

// KindStats is the part of Stats of one kind of records.
type KindStats struct {
	Records        uint64
	Blocks         int
	Oldest, Newest time.Time // of the records' times; zero when there are none
	// Refusing says why the last batch was refused; "" when it was not.
	Refusing string
}

// Stats returns what the store holds now.
func (s *Store) Stats() Stats {
	st := Stats{Quarantined: int(s.quarantined.Load())}
	for _, l := range s.lanes {
		st.WALBytes += l.wal.bytes()
		ks, bytes := l.stats()
		st.Bytes += bytes
		st.Blocks += ks.Blocks
		if l.kind == Logs {
			st.Logs = ks
		} else {
			st.Spans = ks
		}
	}
	st.Bytes += st.WALBytes
	return st
}

func (l *lane) stats() (ks KindStats, bytes int64) {
	l.view.RLock()
	defer l.view.RUnlock()
	add := func(rows int, oldest, newest uint64) {
		if rows == 0 {
			return
		}
		ks.Records += uint64(rows)
		if t := unixNano(oldest); ks.Oldest.IsZero() || t.Before(ks.Oldest) {
			ks.Oldest = t
		}
		if t := unixNano(newest); t.After(ks.Newest) {
			ks.Newest = t
		}
	}
	ks.Blocks = len(l.blocks)
	ks.Refusing, _ = l.refusing.Load().(string)
	for _, b := range l.blocks {
		add(b.entry.Rows, b.entry.MinTime, b.entry.MaxTime)
		bytes += b.entry.Bytes
	}
	for _, gen := range []*generation{l.frozen, l.active} {
		if gen != nil {
			oldest, newest := gen.head.timeRange()
			add(gen.head.rows(), oldest, newest)
		}
	}
	return ks, bytes
}

// unixNano is a record's time. Senders may send any number; one beyond the year
// 2262 counts as that.
func unixNano(nanos uint64) time.Time {
	return time.Unix(0, int64(min(nanos, math.MaxInt64))).UTC()
}

// readView runs a query on a snapshot of the lane of kind k.
func readView[T any](s *Store, k Kind, query func(*view) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		l := s.lane(k)
		v, release, err := l.snapshot()
		if err != nil {
			var none T
			yield(none, err)
			return
		}
		defer release()
		for r, err := range query(v) {
			if !yield(r, err) {
				return
			}
		}
	}
}

// Spans answers a query about spans on what is visible when the iteration
// begins.
func (s *Store) Spans(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*Span, error] { return v.spans(ctx, q) })
}

// Logs answers a query about log records.
func (s *Store) Logs(ctx context.Context, q Query) iter.Seq2[*Log, error] {
	return readView(s, Logs, func(v *view) iter.Seq2[*Log, error] { return v.logs(ctx, q) })
}

// Trace returns the spans of one trace, in any order.
func (s *Store) Trace(ctx context.Context, id TraceID, report *Report) iter.Seq2[*Span, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*Span, error] { return v.trace(ctx, id, report) })
}

// Operations returns rate, errors and duration by operation and minute.
func (s *Store) Operations(ctx context.Context, start, end uint64, report *Report) iter.Seq2[*OperationMinute, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*OperationMinute, error] { return v.operations(ctx, start, end, report) })
}

// Sums adds up rate, errors and durations by service or operation and cell of
// time, cell by cell for one after the other; at any size of data it takes as
// long as the answer is.
func (s *Store) Sums(ctx context.Context, q SumQuery) iter.Seq2[*OperationSum, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*OperationSum, error] { return v.sums(ctx, q) })
}

// Keys returns the attribute keys in use.
func (s *Store) Keys(ctx context.Context, q FieldQuery) iter.Seq2[FieldKey, error] {
	return readView(s, q.Kind, func(v *view) iter.Seq2[FieldKey, error] { return v.keys(ctx, q) })
}

// Values returns the values of one field in use.
func (s *Store) Values(ctx context.Context, q FieldQuery) iter.Seq2[FieldValue, error] {
	return readView(s, q.Kind, func(v *view) iter.Seq2[FieldValue, error] { return v.values(ctx, q) })
}

// Dots returns start, duration and failure of the spans that q asks for; its
// Limit and OnePerTrace do not count. What is yielded is the caller's.
func (s *Store) Dots(ctx context.Context, q Query) iter.Seq2[*Dots, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*Dots, error] { return v.dots(ctx, q) })
}

// Slowest returns the q.Limit longest spans, longest first, of equally long
// ones the newest first; of each trace one when q.OnePerTrace.
func (s *Store) Slowest(ctx context.Context, q Query) iter.Seq2[*Span, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*Span, error] { return v.slowest(ctx, q) })
}

// Ticks returns time and severity of the log records that q asks for; its Limit
// does not count.
func (s *Store) Ticks(ctx context.Context, q Query) iter.Seq2[*Ticks, error] {
	return readView(s, Logs, func(v *view) iter.Seq2[*Ticks, error] { return v.ticks(ctx, q) })
}

// Tally counts the values of fields among the records of a kind that q asks
// for, in several parts; its Limit and OnePerTrace do not count. The texts of a
// part are valid until the next one is asked for.
func (s *Store) Tally(ctx context.Context, k Kind, q Query, fields []Field) iter.Seq2[*Tally, error] {
	return readView(s, k, func(v *view) iter.Seq2[*Tally, error] { return v.tally(ctx, k, q, fields) })
}

// Traces returns the spans of several traces, in any order.
func (s *Store) Traces(ctx context.Context, ids []TraceID, need Need, report *Report) iter.Seq2[*Span, error] {
	return readView(s, Spans, func(v *view) iter.Seq2[*Span, error] { return v.traces(ctx, ids, need, report) })
}
