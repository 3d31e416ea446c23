package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

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
	if md, err = db.prepare(ctx, md, t); err != nil {
		return nil, err
	}
	app := &appender{AppenderV2: db.appendable.AppenderV2(ctx), tally: t, metadata: db.metadata, limit: db.seriesLimit()}
	err = db.translate(ctx, app, md)
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

// translate appends md in Prometheus' form.
func (db *DB) translate(ctx context.Context, app *appender, md pmetric.Metrics) error {
	pushed, scraped := splitScraped(md)
	_, err := prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(ctx, pushed, db.translation)
	if scraped.ResourceMetrics().Len() == 0 {
		return err
	}
	asScraped := db.translation
	asScraped.AddMetricSuffixes = false
	_, scrapedErr := prometheusremotewrite.NewPrometheusConverter(app).FromMetrics(ctx, scraped, asScraped)
	return errors.Join(err, scrapedErr)
}

// splitScraped parts what a program pushed from what was scraped: that has its
// name from Prometheus already, and a counter without _total is to be found by
// the name under which its target shows it. md itself is one of the parts when
// all of it is.
func splitScraped(md pmetric.Metrics) (pushed, scraped pmetric.Metrics) {
	pushed, scraped = pmetric.NewMetrics(), pmetric.NewMetrics()
	var isScraped []bool
	for _, resource := range md.ResourceMetrics().All() {
		isScraped = append(isScraped, fromScrape(resource))
	}
	switch {
	case !slices.Contains(isScraped, true):
		return md, scraped
	case !slices.Contains(isScraped, false):
		return pushed, md
	}
	for i, resource := range md.ResourceMetrics().All() {
		part := pushed
		if isScraped[i] {
			part = scraped
		}
		resource.CopyTo(part.ResourceMetrics().AppendEmpty())
	}
	return pushed, scraped
}

// fromScrape says whether the prometheus receiver made the metrics: it notes the
// type that the target gave (opentelemetry-specification, Prometheus
// compatibility, metric metadata).
func fromScrape(resource pmetric.ResourceMetrics) bool {
	for _, scope := range resource.ScopeMetrics().All() {
		for _, metric := range scope.Metrics().All() {
			_, ok := metric.Metadata().Get("prometheus.type")
			return ok
		}
	}
	return false
}

// prepare returns md without the points whose time is impossible and with
// totals for deltas. The caller's md is not touched: other consumers may share
// it, and a batch sent again must still hold deltas.
func (db *DB) prepare(ctx context.Context, md pmetric.Metrics, t *tally) (pmetric.Metrics, error) {
	w := windowAt(db.now(), db.opts.MaxAge)
	outside, delta := w.outside(md), hasDelta(md)
	if !outside && !delta {
		return md, nil
	}
	own := pmetric.NewMetrics()
	md.CopyTo(own)
	if outside {
		w.cut(own, t)
	}
	if delta {
		lost, err := db.deltas.accumulate(ctx, own)
		if err != nil {
			return md, err
		}
		t.drop(reasonDelta, lost, "a delta point is older than its series' last one, or there are too many delta series")
	}
	return own, nil
}

// refuse counts a batch that the disk did not take.
func (db *DB) refuse(err error) error {
	u := unavailable(err)
	db.telemetry.refused.WithLabelValues(u.Reason).Inc()
	return u
}

// count publishes what became of a batch.
func (db *DB) count(t *tally) {
	db.telemetry.appended.Add(float64(t.appended + t.derived))
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
	derived   int // samples of target_info appended, which no sender sent
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
	case errors.Is(err, errTooManySeries):
		return reasonSeriesLimit
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

// errTooManySeries is why a sample of a new series is dropped at Options.MaxSeries.
var errTooManySeries = errors.New("there are too many series for a new one")

// seriesLimit says for a sample whether its series may be written to: any while
// there is room for new ones, and then those that exist. It returns the reference
// to write with. It is nil without a limit.
type seriesLimit func(app any, ref storage.SeriesRef, ls labels.Labels) (storage.SeriesRef, bool)

// seriesLimit looks at the number of series for each sample: one batch may bring
// any number of new ones.
func (db *DB) seriesLimit() seriesLimit {
	if db.opts.MaxSeries == 0 {
		return nil
	}
	head := db.tsdb.Head()
	return func(app any, ref storage.SeriesRef, ls labels.Labels) (storage.SeriesRef, bool) {
		if head.NumSeries() < db.opts.MaxSeries {
			return ref, true
		}
		g, ok := app.(storage.GetRef)
		if !ok {
			return 0, false
		}
		ref, _ = g.GetRef(ls, ls.Hash())
		return ref, ref != 0
	}
}

// targetInfo is the series that the translation makes of a resource. It has
// samples all the way between the resource's oldest and newest point, and when
// one of them is too late then so is that point, which is counted.
const targetInfo = "target_info"

// appender stands between the OTLP translation and the TSDB for one batch. It
// takes the errors of single samples out of the translation's sight, which
// would give up the rest of the metric, and notes type, unit and help.
type appender struct {
	storage.AppenderV2
	tally    *tally
	metadata *metadataStore
	limit    seriesLimit
	family   string // the last one noted
}

// Append implements storage.AppenderV2. It never returns an error.
func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	ref, err := a.append(ref, ls, st, t, v, h, fh, opts)
	switch {
	case opts.MetricFamilyName != targetInfo:
		a.tally.sample(opts.MetricFamilyName, err)
	case err == nil:
		a.tally.derived++
	}
	if err != nil {
		return 0, nil
	}
	if opts.MetricFamilyName != a.family {
		a.family = opts.MetricFamilyName
		a.metadata.note(a.family, Metadata{Type: string(opts.Metadata.Type), Unit: opts.Metadata.Unit, Help: opts.Metadata.Help})
	}
	return ref, nil
}

// append passes a sample on unless it would begin a series too many. Exemplars
// that are not taken are counted and no error.
func (a *appender) append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if a.limit != nil {
		var known bool
		if ref, known = a.limit(a.AppenderV2, ref, ls); !known {
			return 0, errTooManySeries
		}
	}
	ref, err := a.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	var partial *storage.AppendPartialError
	if errors.As(err, &partial) {
		a.tally.exemplars += len(partial.ExemplarErrors)
		return ref, nil
	}
	return ref, err
}
