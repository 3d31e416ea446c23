package archive

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// parquet reads a file that WriteParquet wrote.
func (r *reader) parquet(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	p, err := openParquet(f, info.Size())
	if err != nil {
		return err
	}
	switch {
	case sameColumns(p.Schema(), parquet.SchemaOf(spanRow{})):
		return readRows(r, p, func(rows []spanRow) (*store.Batch, error) {
			var in rowReader
			var spans []*store.Span
			for i := range rows {
				spans = append(spans, in.span(&rows[i]))
			}
			if in.err != nil {
				return nil, in.err
			}
			return ingest.Traces(ingest.ToTraces(spans))
		})
	case sameColumns(p.Schema(), parquet.SchemaOf(logRow{})):
		return readRows(r, p, func(rows []logRow) (*store.Batch, error) {
			var in rowReader
			var logs []*store.Log
			for i := range rows {
				logs = append(logs, in.log(&rows[i]))
			}
			if in.err != nil {
				return nil, in.err
			}
			return ingest.Logs(ingest.ToLogs(logs))
		})
	}
	return errors.New("its columns are not those of the Parquet of 'signalbox store export'")
}

// openParquet reads the footer. The library panics on some that are damaged.
func openParquet(f io.ReaderAt, size int64) (p *parquet.File, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("damaged Parquet: %v", why)
		}
	}()
	return parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
}

// sameColumns reports whether a file has the columns that we write: those of
// another order, or more, would be read as something else.
func sameColumns(got, want *parquet.Schema) bool {
	a, b := got.Columns(), want.Columns()
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if fmt.Sprint(a[i]) != fmt.Sprint(b[i]) {
			return false
		}
	}
	return true
}

// readRows gives the rows as batches.
func readRows[R any](r *reader, p *parquet.File, batch func([]R) (*store.Batch, error)) error {
	in := parquet.NewGenericReader[R](p)
	defer in.Close()
	rows := make([]R, requestRecords)
	for row := 0; ; {
		clear(rows)
		n, err := readSome(in, rows)
		if n > 0 {
			b, err := batch(rows[:n])
			if err == nil {
				err = r.give(b)
			}
			if err != nil {
				return fmt.Errorf("rows %d to %d: %w", row, row+n-1, err)
			}
			row += n
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("at row %d: %w", row, err)
		}
	}
}

// readSome reads the next rows. The library panics on some damage.
func readSome[R any](in *parquet.GenericReader[R], rows []R) (n int, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("damaged Parquet: %v", why)
		}
	}()
	return in.Read(rows)
}
