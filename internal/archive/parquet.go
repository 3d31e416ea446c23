package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/signalbox-otel/signalbox/internal/store"
)

const (
	// rowGroup is how many rows are compressed and described together. They are
	// held in memory until then.
	rowGroup = 128 << 10
	// rowWindow is how many rows are made before they are handed on.
	rowWindow = 512
	hour      = uint64(time.Hour)
)

// WriteParquet writes what is selected as Parquet. When path ends in .parquet
// it is one file, of one kind; else a folder that gets a file for each kind and
// hour (UTC) of the records' time: traces-2026-11-20T13.parquet, logs-….
func WriteParquet(ctx context.Context, src Source, sel *Selection, path string, progress Progress) (*Exported, error) {
	e := &parquetExport{src: src, rep: &store.Report{}, progress: progress}
	if strings.HasSuffix(path, ".parquet") {
		if len(sel.Kinds) != 1 {
			return nil, errors.New("traces and logs have columns of their own: name one of them, or a folder")
		}
		err := e.file(ctx, sel, sel.Kinds[0], path)
		return e.finished(), err
	}
	for _, k := range sel.Kinds {
		hours, err := src.Hours(ctx, k, sel.Start, sel.End, e.rep)
		if err != nil {
			return nil, err
		}
		for _, h := range slices.Sorted(maps.Keys(hours)) {
			part := *sel
			part.Start, part.End = max(sel.Start, h*hour), (h+1)*hour
			if part.End < h*hour { // the last hour that a number can name
				part.End = 0
			}
			if sel.End != 0 && (part.End == 0 || sel.End < part.End) {
				part.End = sel.End
			}
			if err := e.file(ctx, &part, k, filepath.Join(path, parquetName(k, h))); err != nil {
				return e.finished(), err
			}
		}
	}
	return e.finished(), nil
}

// parquetName is the file of an hour, counted from 1970.
func parquetName(k store.Kind, h uint64) string {
	name := "traces"
	if k == store.Logs {
		name = "logs"
	}
	return name + "-" + time.Unix(int64(h)*3600, 0).UTC().Format("2006-01-02T15") + ".parquet"
}

// parquetExport writes several files.
type parquetExport struct {
	src      Source
	rep      *store.Report
	progress Progress
	result   Exported
}

func (e *parquetExport) finished() *Exported {
	e.result.Unreadable = e.rep.Unreadable
	return &e.result
}

// file writes one file, if there is anything to write.
func (e *parquetExport) file(ctx context.Context, sel *Selection, k store.Kind, path string) error {
	out, err := create(path, nil)
	if err != nil {
		return err
	}
	m := &rowMaker{}
	var n uint64
	if k == store.Spans {
		n, err = writeRows(e, out, k, e.src.Spans(ctx, sel.query(k, e.rep)), m.span, func(r *spanRow) bool { return r.OTLP != nil })
	} else {
		n, err = writeRows(e, out, k, e.src.Logs(ctx, sel.query(k, e.rep)), m.log, func(r *logRow) bool { return r.OTLP != nil })
	}
	if err != nil || n == 0 {
		return errors.Join(err, out.abort())
	}
	if err := out.finish(); err != nil {
		return err
	}
	e.result.Files = append(e.result.Files, ExportedFile{path, n, out.written})
	return nil
}

// writeRows writes the records of one file and returns how many there were.
func writeRows[T, R any](e *parquetExport, out io.Writer, k store.Kind, records iter.Seq2[*T, error], row func(*T) (R, error), foreign func(*R) bool) (n uint64, err error) {
	w := parquet.NewGenericWriter[R](out, parquet.Compression(&zstd.Codec{Level: zstd.SpeedDefault}), parquet.DataPageVersion(1), parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.BloomFilters(parquet.SplitBlockFilter(10, "trace_id")), parquet.CreatedBy("signalbox", "1", "store-export"))
	var rows []R
	flush := func() error {
		if _, err := w.Write(rows); err != nil {
			return fmt.Errorf("writing rows: %w", err)
		}
		n += uint64(len(rows))
		e.result.count(k, uint64(len(rows)))
		e.progress(e.result.Records())
		clear(rows)
		rows = rows[:0]
		return nil
	}
	for r, err := range records {
		if err != nil {
			return n, fmt.Errorf("reading %s: %w", k, err)
		}
		made, err := row(r)
		if err != nil {
			return n, fmt.Errorf("making a row: %w", err)
		}
		if foreign(&made) {
			e.result.Foreign++
		}
		if rows = append(rows, made); len(rows) == rowWindow {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	if err := flush(); err != nil {
		return n, err
	}
	return n, w.Close()
}
