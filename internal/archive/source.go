package archive

import (
	"context"
	"iter"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// Source is what an export reads: store.ReadOnly has it. It is an interface so
// that tests export from memory.
type Source interface {
	Spans(ctx context.Context, q store.Query) iter.Seq2[*store.Span, error]
	Logs(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error]
	// Hours counts records by the hour of their time, in hours since 1970.
	Hours(ctx context.Context, k store.Kind, start, end uint64, rep *store.Report) (map[uint64]uint64, error)
}

// Selection is what an export takes.
type Selection struct {
	Kinds []store.Kind
	// Start and End bound the record's time, [Start, End), in Unix nanoseconds;
	// End 0 means no bound.
	Start, End uint64
	// Where must hold, by kind; nil takes every record.
	Where map[store.Kind]store.Expr
}

func (s *Selection) query(k store.Kind, rep *store.Report) store.Query {
	return store.Query{Start: s.Start, End: s.End, Where: s.Where[k], Report: rep}
}

// Exported says what an export wrote.
type Exported struct {
	Files   []ExportedFile `json:"files"`
	Spans   uint64         `json:"spans"`
	Logs    uint64         `json:"logs"`
	Foreign uint64         `json:"notUTF8"` // requests or rows with text that is not UTF-8
	// Unreadable are blocks that could not be read: what they hold is missing.
	Unreadable []string `json:"unreadable"`
}

// ExportedFile is a file that was written.
type ExportedFile struct {
	File    string `json:"file"`
	Records uint64 `json:"records"`
	Bytes   int64  `json:"bytes"`
}

func (e *Exported) count(k store.Kind, n uint64) {
	if k == store.Logs {
		e.Logs += n
	} else {
		e.Spans += n
	}
}

// Records is the number of records written.
func (e *Exported) Records() uint64 { return e.Spans + e.Logs }

// Progress is told how many records were written so far.
type Progress func(records uint64)

// Count is the number of records in a selection's time range, before its
// condition.
func Count(ctx context.Context, src Source, sel *Selection) (n uint64, err error) {
	for _, k := range sel.Kinds {
		hours, err := src.Hours(ctx, k, sel.Start, sel.End, &store.Report{})
		if err != nil {
			return 0, err
		}
		for _, c := range hours {
			n += c
		}
	}
	return n, nil
}

// Add adds what another export wrote.
func (e *Exported) Add(o *Exported) {
	e.Files = append(e.Files, o.Files...)
	e.Spans += o.Spans
	e.Logs += o.Logs
	e.Foreign += o.Foreign
	e.Unreadable = append(e.Unreadable, o.Unreadable...)
}
