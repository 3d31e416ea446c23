package query

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Reader is the store's contract for records. It exists so that questions are
// answered alike by the engine of package store, by ClickHouse and by
// storetest.Memory. A record that it yields is read-only and may be kept.
type Reader interface {
	// Spans yields the spans that q asks for.
	Spans(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error]
	// Logs yields the log records that q asks for.
	Logs(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error]
	// Trace yields all spans of one trace, in any order; none when it is not known.
	Trace(ctx context.Context, id store.TraceID, report *store.Report) iter.Seq2[*store.Span, error]
	// Operations yields the pre-aggregates of all minutes that overlap
	// [start, end); one operation's minute may come in several parts.
	Operations(ctx context.Context, start, end uint64, report *store.Report) iter.Seq2[*store.OperationMinute, error]
}

// Columnar is what a Reader may have beyond its contract: the same answers
// without whole records. It exists because a scatter needs three numbers of a
// million spans. The engine asks for it when the reader has it, and else reads
// records.
type Columnar interface {
	// Dots yields start, duration and failure of the spans that q asks for.
	Dots(ctx context.Context, q store.Query) iter.Seq2[*store.Dots, error]
	// Ticks yields time and severity of the log records that q asks for.
	Ticks(ctx context.Context, q store.Query) iter.Seq2[*store.Ticks, error]
	// Slowest yields the q.Limit longest spans, longest first, of equally long
	// ones the newest first; of each trace one when q.OnePerTrace.
	Slowest(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error]
	// Tally counts the values of fields among the records that q asks for, in
	// parts that are to be added up.
	Tally(ctx context.Context, k store.Kind, q store.Query, fields []store.Field) iter.Seq2[*store.Tally, error]
	// Sums yields sums of pre-aggregates, cell by cell for one service or
	// operation after the other.
	Sums(ctx context.Context, q store.SumQuery) iter.Seq2[*store.OperationSum, error]
	// Traces yields the spans of several traces, in any order.
	Traces(ctx context.Context, ids []store.TraceID, need store.Need, report *store.Report) iter.Seq2[*store.Span, error]
}

// Catalog is the store's contract for completion: which attributes are there
// and which values they have. It is apart from Reader because a server can do
// without it.
type Catalog interface {
	Keys(ctx context.Context, q store.FieldQuery) iter.Seq2[store.FieldKey, error]
	Values(ctx context.Context, q store.FieldQuery) iter.Seq2[store.FieldValue, error]
}

// Follower hands out batches as they are appended. The channel is closed when
// the store closes; the function ends the subscription and may be called more
// than once. A follower that reads too slowly may miss batches.
type Follower interface {
	Follow(kind store.Kind) (batches <-chan *store.Batch, stop func())
}

// ErrNotFound is returned for a trace that the store does not have.
var ErrNotFound = errors.New("not found")

// notFound is ErrNotFound for an answer that may lack something.
func notFound(report *store.Report) error {
	if len(report.Unreadable) > 0 {
		return fmt.Errorf("%w, but it may have been in data that cannot be read: %s", ErrNotFound, strings.Join(report.Unreadable, ", "))
	}
	return ErrNotFound
}
