package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// lane is the way in for one kind of records: queue, log, heads, and the blocks
// made of them.
//
// Each kind has a log of its own. With a shared one, a few log records an hour
// would hold back the segments of millions of spans until their head is
// sealed; apart, a segment goes when its own head is in a block. The price is
// an fsync for each kind, and they run beside each other.
//
// Two goroutines work on a lane. write takes all that is queued, decides which
// generation it belongs to, writes it to that generation's segment and syncs
// it. apply appends what is durable to that generation's head, in the same
// order, and answers the senders; meanwhile write is at the next group. So a
// batch is visible only when it is durable, and a record's segment and head are
// decided in one place.
type lane struct {
	s    *Store
	kind Kind
	wal  *walWriter

	mu          sync.Mutex // guards the queue
	queue       []*appendOp
	queuedBytes int64
	closed      bool
	wake        chan struct{} // 1 slot: the queue has something, or is closed

	durable chan durableGroup // from write to apply
	done    chan struct{}     // closed when write and apply have ended

	repeats *repeats    // of goroutine write
	writing *generation // of goroutine write
	unsafe  bool        // of goroutine write: an acknowledged batch may not be on disk

	// behind is the generation that is waiting for its block or being written;
	// nil: none. Goroutine write sets it, the sealer clears it.
	behind atomic.Pointer[generation]
	fill   atomic.Int64 // of the generation being written, in thousandths
	held   atomic.Int64 // bytes of the batches that are held back

	mergeAfter time.Time // not to merge before; guarded by the store's merging

	// refusing is the reason (string) why batches are refused, "" while they
	// are not.
	refusing atomic.Value

	view   sync.RWMutex // guards what readers see:
	active *generation
	frozen *generation // nil, or being sealed
	blocks []*blockFile
	// version changes with blocks, from 1 on.
	version uint64

	// lost are the blocks that were set aside: see kindManifest.
	lost []blockEntry

	closedToReaders bool // the blocks are gone
}

// generation is a head and what the log knows about it.
type generation struct {
	head *head
	// first and last are the sequences in the head; last < first when it is
	// empty. Goroutine apply writes them, the sealer reads them once frozen.
	first, last uint64

	rows  int          // of goroutine write: rows written to the log
	size  atomic.Int64 // memory of the head when it was last appended to
	since atomic.Int64 // Unix nanoseconds of the first write; 0: none

	sealed chan struct{} // closed when it is a block that the manifest names
	failed chan error    // 1 slot: an attempt to seal it failed
	stuck  atomic.Bool   // an attempt to seal it failed
	retry  time.Duration // of the sealer: wait before the next attempt
}

func newGeneration(k Kind, first uint64) *generation {
	return &generation{head: newHead(k), first: first, last: first - 1,
		sealed: make(chan struct{}), failed: make(chan error, 1)}
}

// appendOp is a batch on its way in, or a wish to have the head sealed.
type appendOp struct {
	batch      *Batch
	compressed []byte
	id         batchID
	done       chan error // 1 slot

	roll bool
	// frozen is the answer to a roll: what to wait for, nil when there is
	// nothing to seal. again asks to come back after that.
	frozen *generation
	again  bool
}

// durableGroup is what one fsync made durable.
type durableGroup struct {
	gen   *generation
	first uint64 // sequence of ops[0]
	ops   []*appendOp
	// repeated are batches that are kept already, or are among ops.
	repeated []*appendOp
}

const (
	// maxQueueBytes bounds the compressed batches that wait for the log.
	maxQueueBytes = 64 << 20
	// maxGroupBytes bounds one write to the log.
	maxGroupBytes = 16 << 20
)

// Reasons of an OverloadError.
const (
	reasonDiskFull = "disk full"
	reasonSealing  = "sealing behind"
	reasonLog      = "log behind"
)

// errNoRoom says that both heads are full: the sender may wait for room.
var errNoRoom = errors.New("no room")

// retryAfter says when a refused sender should come again.
func overload(reason string) *OverloadError {
	after := time.Second
	if reason == reasonDiskFull {
		after = 10 * time.Second
	}
	return &OverloadError{Reason: reason, RetryAfter: after}
}

func newLane(s *Store, k Kind, w *walWriter) *lane {
	return &lane{s: s, kind: k, wal: w, repeats: newRepeats(), version: 1, wake: make(chan struct{}, 1),
		durable: make(chan durableGroup), done: make(chan struct{})}
}

// start begins to take batches in.
func (l *lane) start() {
	l.writing = l.active
	go l.write()
	go l.apply()
}

// enqueue hands op to goroutine write.
func (l *lane) enqueue(op *appendOp) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	if l.queuedBytes > maxQueueBytes {
		return overload(reasonLog)
	}
	l.queue = append(l.queue, op)
	l.queuedBytes += int64(len(op.compressed))
	l.signal()
	return nil
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether more may come.
func (l *lane) take() (ops []*appendOp, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ops, l.queue, l.queuedBytes = l.queue, nil, 0
	return ops, l.closed
}

// close lets what is queued through, refuses what comes later, and waits.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.signal()
	l.mu.Unlock()
	<-l.done
}

// write is the goroutine that owns the log.
func (l *lane) write() {
	defer close(l.durable)
	var tick <-chan time.Time
	if l.s.o.Sync == SyncInterval {
		ticker := time.NewTicker(syncInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-l.wake:
		case <-tick:
			l.syncInterval()
			continue
		}
		ops, closed := l.take()
		l.commit(ops)
		if closed {
			if err := l.wal.rotate(); err != nil {
				l.s.log.Error("closing the log", "kind", l.kind, "error", err)
			}
			return
		}
	}
}

// syncInterval syncs what was acknowledged unsynced. When that fails it may
// not be on disk, but it is in the head: a block of it is made soon.
func (l *lane) syncInterval() {
	if l.wal.dirty() {
		if err := l.timedSync(); err != nil {
			l.s.log.Error("syncing the log: sealing what is in memory", "kind", l.kind, "error", err)
			l.unsafe = true
		}
	}
	if l.unsafe && l.roll() {
		l.unsafe = false
	}
}

func (l *lane) timedSync() error {
	start := time.Now()
	err := l.wal.sync()
	l.s.metrics.syncSeconds.Observe(time.Since(start).Seconds())
	return err
}

// commit writes ops to the log, in groups that belong to one generation, and
// passes them on; or answers them with an error.
func (l *lane) commit(ops []*appendOp) {
	for len(ops) > 0 {
		if ops[0].roll {
			l.answerRoll(ops[0])
			ops = ops[1:]
			continue
		}
		if l.full(l.writing) && !l.roll() {
			ops = l.refuse(ops, errNoRoom)
			continue
		}
		if l.s.diskLow() {
			ops = l.refuse(ops, overload(reasonDiskFull))
			l.noteRefusing(reasonDiskFull)
			continue
		}
		group := ops[:l.groupLen(ops)]
		ops = ops[len(group):]
		fresh, repeated := l.repeats.part(group)
		first, err := l.commitGroup(fresh)
		if err != nil {
			l.refuse(group, err)
			reason := err.Error()
			if refused, ok := err.(*OverloadError); ok {
				reason = refused.Reason
			}
			l.noteRefusing(reason)
			continue
		}
		l.noteRefusing("")
		for _, op := range fresh {
			l.repeats.add(op.id)
		}
		l.durable <- durableGroup{gen: l.writing, first: first, ops: fresh, repeated: repeated}
	}
}

// refuse answers the batches at the head of ops with err and returns the rest.
func (l *lane) refuse(ops []*appendOp, err error) []*appendOp {
	for len(ops) > 0 && !ops[0].roll {
		ops[0].done <- err
		ops = ops[1:]
	}
	return ops
}

// noteRefusing says once, not for every batch, that batches are refused or that
// they are taken again. Any goroutine may call it.
func (l *lane) noteRefusing(reason string) {
	before, _ := l.refusing.Swap(reason).(string)
	switch {
	case before == reason:
	case reason == "":
		l.s.log.Info("taking batches again", "kind", l.kind)
	case reason == reasonSealing:
		l.s.log.Warn("refusing batches: the block before is not written yet", "kind", l.kind)
	default:
		l.s.log.Error("refusing batches", "kind", l.kind, "reason", reason)
	}
}

// full reports whether a generation takes no more.
func (l *lane) full(gen *generation) bool {
	return gen.rows >= l.s.o.SealRows || gen.size.Load() >= l.s.o.SealBytes
}

// groupLen returns how many of ops are written together: up to a roll, until
// the generation is full.
func (l *lane) groupLen(ops []*appendOp) int {
	rows, size := l.writing.rows, 0
	for i, op := range ops {
		if op.roll || i > 0 && (rows >= l.s.o.SealRows || size >= maxGroupBytes) {
			return i
		}
		rows += op.batch.Len()
		size += len(op.compressed)
	}
	return len(ops)
}

// commitGroup makes ops durable, or with SyncInterval written.
func (l *lane) commitGroup(ops []*appendOp) (first uint64, err error) {
	if len(ops) == 0 {
		return 0, nil
	}
	compressed := make([][]byte, len(ops))
	rows := 0
	for i, op := range ops {
		compressed[i] = op.compressed
		rows += op.batch.Len()
	}
	first, err = l.wal.write(compressed)
	if err == nil && l.s.o.Sync == SyncGroup {
		if err = l.timedSync(); err != nil {
			err = errors.Join(err, l.wal.forget(first))
		}
	}
	if err != nil {
		// The segment was given up with what was written to it unsynced.
		l.unsafe = l.s.o.Sync == SyncInterval
		return 0, l.s.writeError(err)
	}
	if l.writing.rows == 0 {
		l.writing.since.Store(l.s.o.Now().UnixNano())
	}
	l.writing.rows += rows
	l.noteFill()
	return first, nil
}

// roll ends the generation being written, if it has records. It reports false
// when the one before is not sealed yet.
func (l *lane) roll() bool {
	if l.writing.rows == 0 {
		return true
	}
	if l.behind.Load() != nil {
		return false
	}
	if err := l.wal.rotate(); err != nil {
		// Only with SyncInterval is there something to sync, and the
		// generation is about to be sealed anyhow.
		l.s.log.Error("ending a log segment", "kind", l.kind, "error", err)
	}
	l.behind.Store(l.writing)
	l.writing = newGeneration(l.kind, l.wal.next)
	l.fill.Store(0)
	l.durable <- durableGroup{gen: l.writing}
	return true
}

// answerRoll answers a wish to have the head sealed.
func (l *lane) answerRoll(op *appendOp) {
	ending := l.writing
	behind := l.behind.Load()
	switch {
	case behind != nil:
		op.frozen, op.again = behind, true
	case ending.rows > 0:
		l.roll()
		op.frozen = ending
	}
	op.done <- nil
}

// apply is the goroutine that appends to the heads.
func (l *lane) apply() {
	defer close(l.done)
	appended := l.s.metrics.appended.WithLabelValues(l.kind.String())
	for g := range l.durable {
		gen := l.active // only this goroutine changes it
		if g.gen != gen {
			l.freeze(g.gen)
			gen = g.gen
		}
		for i, op := range g.ops {
			gen.head.append(op.batch)
			gen.last = g.first + uint64(i)
			appended.Add(float64(op.batch.Len()))
			l.s.tail.publish(op.batch)
			op.done <- nil
		}
		for _, op := range g.repeated { // what they repeat is visible now
			l.s.metrics.repeated.Add(float64(op.batch.Len()))
			op.done <- nil
		}
		gen.size.Store(gen.head.sizeBytes())
	}
}

// freeze makes next the active generation and hands the one before to the
// sealer.
func (l *lane) freeze(next *generation) {
	next.head.expect(l.active.head)
	l.view.Lock()
	l.frozen, l.active = l.active, next
	l.view.Unlock()
	l.s.seals <- l
}

// writeError is what the sender is told when the log could not be written.
func (s *Store) writeError(err error) error {
	if vfs.IsNoSpace(err) && !errors.Is(err, errUndecided) {
		return overload(reasonDiskFull)
	}
	return fmt.Errorf("keeping the batch: %w", err)
}
