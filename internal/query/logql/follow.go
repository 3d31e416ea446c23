package logql

import (
	"context"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Filter takes single records through a query for log lines, for live tails. It
// is used by one goroutine.
type Filter struct {
	// Where holds for all records that the filter lets through.
	Where    store.Expr
	pipeline *pipeline
}

// NewFilter compiles a query.
func NewFilter(e *LogExpr) (*Filter, error) {
	r := New(nil, nil, Limits{}).newRun() // no catalog: attributes to come are not in it
	where, err := r.where(context.Background(), e, 0, 0)
	if err != nil {
		return nil, err
	}
	p, err := r.pipeline(e)
	return &Filter{Where: where, pipeline: p}, err
}

// Entry gives the line of a record, when the query lets it through.
func (f *Filter) Entry(l *store.Log) (Entry, bool) {
	row := f.pipeline.process(l)
	if row == nil {
		return Entry{}, false
	}
	return row.entry(), true
}
