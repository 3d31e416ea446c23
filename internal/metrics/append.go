package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// maxAhead is how far in the future a sample may lie. One sample of a clock
// that is a year ahead would make every later one too old.
const maxAhead = 10 * time.Minute

// Append stores the points of md, which it does not change or keep.
//
// It returns nil when at least a part was stored; what was dropped is counted
// by reason. A *RefusedError says that nothing can ever be stored, an
// *UnavailableError that nothing was stored and the batch may be sent again, as
// does the context's error.
func (db *DB) Append(ctx context.Context, md pmetric.Metrics) error {
	d, err := db.append(ctx, md)
	if err != nil {
		return err
	}
	if len(d.byReason) > 0 && d.appended == 0 {
		return &RefusedError{Dropped: d.byReason, Example: d.example}
	}
	return nil
}

// append is Append, and tells what was dropped.
func (db *DB) append(ctx context.Context, md pmetric.Metrics) (*tally, error) {
	release, err := db.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := db.room.check(); err != nil {
		return nil, db.refuse(err)
	}
	t := newTally()
	md, lost, err := db.deltas.cumulative(ctx, md)
	if err != nil {
		return nil, err
	}
	t.drop(reasonDelta, lost, "a delta point is older than its series' last one, or there are too many delta series")

	app := &appender{AppenderV2: db.appendable.AppenderV2(ctx), tally: t, metadata: db.metadata, maxTime: db.now().Add(maxAhead).UnixMilli()}
	_, err = prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(ctx, md, db.translation)
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), app.Rollback())
	}
	for _, e := range leaves(err) {
		t.drop(reasonUntranslated, 1, e.Error())
	}
	if err := app.Commit(); err != nil {
		return nil, db.refuse(fmt.Errorf("writing samples: %w", err))
	}
	db.count(t)
	return t, nil
}

// refuse counts a batch that the disk did not take.
func (db *DB) refuse(err error) error {
	u := unavailable(err)
	db.telemetry.refused.WithLabelValues(u.Reason).Inc()
	return u
}

// count publishes what became of a batch.
func (db *DB) count(t *tally) {
	db.telemetry.appended.Add(float64(t.appended))
	db.telemetry.droppedExemplars.Add(float64(t.exemplars))
	for reason, n := range t.byReason {
		db.telemetry.dropped.WithLabelValues(reason).Add(float64(n))
	}
	if len(t.byReason) > 0 && db.complaints.allow() {
		db.log.Warn("samples were dropped", "reasons", maps.Clone(t.byReason), "example", t.example)
	}
}

// leaves returns the single errors that errors.Join put together.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, leaves(e)...)
	}
	return out
}

// tally counts what became of one batch.
type tally struct {
	appended  int
	exemplars int // dropped
	byReason  map[string]int
	example   string // the first problem in words
}

func newTally() *tally { return &tally{byReason: map[string]int{}} }

// drop counts n dropped samples.
func (t *tally) drop(reason string, n int, example string) {
	if n <= 0 {
		return
	}
	t.byReason[reason] += n
	if t.example == "" {
		t.example = example
	}
}

// dropped is the number of samples dropped for whatever reason.
func (t *tally) dropped() int {
	n := 0
	for _, c := range t.byReason {
		n += c
	}
	return n
}

// sample counts one sample by the error that the TSDB gave for it. Appending
// happens in memory alone, so every error belongs to the sample, none to the
// disk: that one comes from Commit.
func (t *tally) sample(name string, err error) {
	if err == nil {
		t.appended++
		return
	}
	t.drop(reasonOf(err), 1, fmt.Sprintf("%s: %v", name, err))
}

// reasonOf names why the TSDB does not take a sample.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, errFuture):
		return reasonFuture
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		return reasonTooOld
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return reasonOutOfOrder
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return reasonDuplicate
	default:
		return reasonInvalid
	}
}

var errFuture = errors.New("timestamp is too far in the future")

// appender stands between the OTLP translation and the TSDB for one batch. It
// takes the errors of single samples out of the translation's sight, which
// would give up the rest of the metric, and notes type, unit and help.
type appender struct {
	storage.AppenderV2
	tally    *tally
	metadata *metadataStore
	maxTime  int64  // Unix milliseconds
	family   string // the last one noted
}

// Append implements storage.AppenderV2. It never returns an error.
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if t > a.maxTime {
		a.tally.sample(opts.MetricFamilyName, errFuture)
		return 0, nil
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	var partial *storage.AppendPartialError
	if errors.As(err, &partial) {
		a.tally.exemplars += len(partial.ExemplarErrors)
		err = nil
	}
	a.tally.sample(opts.MetricFamilyName, err)
	if err != nil {
		return 0, nil
	}
	if opts.MetricFamilyName != a.family {
		a.family = opts.MetricFamilyName
		a.metadata.note(a.family, Metadata{Type: string(opts.Metadata.Type), Unit: opts.Metadata.Unit, Help: opts.Metadata.Help})
	}
	return ref, nil
}
