package metrics

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"
)

// Query evaluates a PromQL expression at one instant. The value is the caller's
// to keep.
func (db *DB) Query(ctx context.Context, expr string, at time.Time) (parser.Value, annotations.Annotations, error) {
	return db.evaluate(ctx, func(ctx context.Context) (promql.Query, error) {
		return db.engine.NewInstantQuery(ctx, db.tsdb, nil, expr, at)
	})
}

// QueryRange evaluates a PromQL expression at start, start+step, … up to end.
// The value is a promql.Matrix and the caller's to keep.
func (db *DB) QueryRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (parser.Value, annotations.Annotations, error) {
	return db.evaluate(ctx, func(ctx context.Context) (promql.Query, error) {
		return db.engine.NewRangeQuery(ctx, db.tsdb, nil, expr, start, end, step)
	})
}

// evaluate runs one query. The query is not closed: closing gives the points of
// a matrix back to the engine's pool, and the caller has them now. Nothing else
// is held by a query that has run.
func (db *DB) evaluate(ctx context.Context, prepare func(context.Context) (promql.Query, error)) (parser.Value, annotations.Annotations, error) {
	ctx, release, err := db.acquireQuery(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	q, err := prepare(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := q.Exec(ctx)
	return r.Value, r.Warnings, r.Err
}
