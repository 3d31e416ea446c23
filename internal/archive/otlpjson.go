package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// A line of OTLP JSON is one request. It ends with so many records, or with one
// that brings it to so many bytes of text.
const (
	requestRecords = 1000
	requestBytes   = 4 << 20
)

// WriteOTLPJSON writes what is selected as lines of OTLP JSON to a file, or to
// stdout when path is "-": each an ExportTraceServiceRequest or an
// ExportLogsServiceRequest, as the collector's file exporter writes them.
func WriteOTLPJSON(ctx context.Context, src Source, sel *Selection, path string, stdout io.Writer, progress Progress) (*Exported, error) {
	out, err := create(path, stdout)
	if err != nil {
		return nil, err
	}
	rep := &store.Report{}
	w := &lineWriter{out: out, progress: progress}
	for _, k := range sel.Kinds {
		if k == store.Spans {
			err = writeLines(w, k, src.Spans(ctx, sel.query(k, rep)), spanBytes, traceLine)
		} else {
			err = writeLines(w, k, src.Logs(ctx, sel.query(k, rep)), logBytes, logLine)
		}
		if err != nil {
			return nil, errors.Join(err, out.abort())
		}
	}
	if err := out.finish(); err != nil {
		return nil, err
	}
	w.result.Unreadable = rep.Unreadable
	w.result.Files = []ExportedFile{{path, w.result.Records(), out.written}}
	return &w.result, nil
}

// lineWriter writes lines and counts what is in them.
type lineWriter struct {
	out      *output
	progress Progress
	result   Exported
}

// writeLines writes the records of one kind; size is about the text of one.
func writeLines[T any](w *lineWriter, k store.Kind, records iter.Seq2[*T, error], size func(*T) int, line func([]*T) ([]byte, error)) error {
	var batch []*T
	bytes := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		b, err := line(batch)
		if err != nil {
			return fmt.Errorf("writing %s as JSON: %w", k, err)
		}
		if !utf8.Valid(b) {
			w.result.Foreign++
		}
		if _, err := w.out.Write(append(b, '\n')); err != nil {
			return fmt.Errorf("writing %s: %w", w.out.path, err)
		}
		w.result.count(k, uint64(len(batch)))
		w.progress(w.result.Records())
		batch, bytes = batch[:0], 0
		return nil
	}
	for r, err := range records {
		if err != nil {
			return fmt.Errorf("reading %s: %w", k, err)
		}
		batch = append(batch, r)
		if bytes += size(r); len(batch) == requestRecords || bytes >= requestBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func traceLine(spans []*store.Span) ([]byte, error) {
	return (&ptrace.JSONMarshaler{}).MarshalTraces(ingest.ToTraces(spans))
}

func logLine(logs []*store.Log) ([]byte, error) {
	return (&plog.JSONMarshaler{}).MarshalLogs(ingest.ToLogs(logs))
}

// spanBytes is about the length of a span's texts.
func spanBytes(s *store.Span) int {
	n := 256 + len(s.Name) + len(s.StatusMessage) + attrBytes(s.Attrs)
	for i := range s.Events {
		n += 64 + attrBytes(s.Events[i].Attrs)
	}
	for i := range s.Links {
		n += 64 + attrBytes(s.Links[i].Attrs)
	}
	return n
}

// logBytes is about the length of a log record's texts.
func logBytes(l *store.Log) int { return 128 + len(l.Body.Str()) + attrBytes(l.Attrs) }

func attrBytes(attrs []store.Attr) int {
	n := 0
	for i := range attrs {
		n += 16 + len(attrs[i].Key) + len(attrs[i].Value.Str())
	}
	return n
}
