package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// ReadOptions says how files are read.
type ReadOptions struct {
	// Kind is what OTLP protobuf holds when the bytes do not say: 0 asks them.
	Kind store.Kind
	// Now stands in for the time of log records that have none.
	Now time.Time
}

// Read gives the records of a file as batches of at most about 1,000 records:
// OTLP as JSON (one document, or one for each line) or protobuf (one request, or
// several with their lengths before them as the collector's file exporter writes
// them), compressed with gzip or zstd or not, and our Parquet. What a file is,
// its content says and not its name. A batch is the receiver's; an error ends
// the reading and names the file.
func Read(ctx context.Context, file string, o ReadOptions) iter.Seq2[*store.Batch, error] {
	return func(yield func(*store.Batch, error) bool) {
		f, err := os.Open(file)
		if err != nil {
			yield(nil, err)
			return
		}
		defer f.Close()
		r := &reader{ctx: ctx, options: o, yield: yield}
		if err := r.read(f); err != nil && !errors.Is(err, errEnough) {
			yield(nil, fmt.Errorf("reading %s: %w", file, err))
		}
	}
}

// errEnough says that the receiver wants no more.
var errEnough = errors.New("enough")

// reader reads one file.
type reader struct {
	ctx     context.Context
	options ReadOptions
	yield   func(*store.Batch, error) bool
}

// maxRequest bounds one request of a file, as the store bounds a batch.
const maxRequest = 128 << 20

func (r *reader) read(f *os.File) error {
	in, end, err := decompressed(f)
	if err != nil {
		return err
	}
	defer end()
	start, err := in.Peek(64)
	if len(start) == 0 {
		if err == io.EOF {
			return nil
		}
		return err
	}
	switch {
	case bytes.HasPrefix(start, []byte("PAR1")):
		return r.parquet(f)
	case bytes.HasPrefix(bytes.TrimSpace(start), []byte("{")):
		return r.documents(in)
	case start[0] == 0x0a:
		return r.request(in)
	case start[0] < ' ':
		return r.framed(in)
	}
	return errForm
}

// errForm says that a file is none of those that can be read.
var errForm = errors.New("neither OTLP JSON, nor OTLP protobuf, nor Parquet")

// decompressed reads what a file holds. end lets go of the decompressor.
func decompressed(f *os.File) (in *bufio.Reader, end func(), err error) {
	in, end = bufio.NewReaderSize(f, 256<<10), func() {}
	start, err := in.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, err
		}
		return bufio.NewReaderSize(z, 256<<10), end, nil
	case bytes.Equal(start, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return bufio.NewReaderSize(z, 256<<10), z.Close, nil
	}
	return in, end, nil
}

// documents reads OTLP JSON.
func (r *reader) documents(in io.Reader) error {
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var doc json.RawMessage
		if err := d.Decode(&doc); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("request %d, at byte %d: %w", n, d.InputOffset(), err)
		}
		if err := r.document(doc); err != nil {
			return fmt.Errorf("request %d, which ends at byte %d: %w", n, d.InputOffset(), err)
		}
	}
}

// document reads one request.
func (r *reader) document(doc []byte) error {
	var has struct {
		Spans   json.RawMessage `json:"resourceSpans"`
		Logs    json.RawMessage `json:"resourceLogs"`
		Metrics json.RawMessage `json:"resourceMetrics"`
	}
	if err := json.Unmarshal(doc, &has); err != nil {
		return fmt.Errorf("not an OTLP request: %w", err)
	}
	switch {
	case has.Spans != nil:
		td, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(doc)
		if err != nil {
			return err
		}
		b, err := ingest.Traces(td)
		if err != nil {
			return err
		}
		return r.give(b)
	case has.Logs != nil:
		ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(doc)
		if err != nil {
			return err
		}
		b, err := ingest.Logs(ld)
		if err != nil {
			return err
		}
		return r.give(b)
	case has.Metrics != nil:
		return errors.New("metrics cannot be imported: they are kept by Prometheus' TSDB; send them to an OTLP endpoint")
	}
	return errors.New("neither resourceSpans nor resourceLogs: not an OTLP request")
}

// framed reads requests with their lengths before them, four bytes each.
func (r *reader) framed(in io.Reader) error {
	for n := 1; ; n++ {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("length of request %d: %w", n, err)
		}
		size := binary.BigEndian.Uint32(length[:])
		if size > maxRequest {
			return fmt.Errorf("request %d of %d bytes: %w", n, size, errForm)
		}
		var b bytes.Buffer // grows with what is there, not with what is said
		if _, err := io.CopyN(&b, in, int64(size)); err != nil {
			return fmt.Errorf("request %d of %d bytes is cut off: %w", n, size, err)
		}
		if err := r.protobuf(b.Bytes()); err != nil {
			return fmt.Errorf("request %d: %w", n, err)
		}
	}
}

// request reads a file that is one request.
func (r *reader) request(in io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(in, maxRequest+1))
	if err != nil {
		return err
	}
	if len(b) > maxRequest {
		return fmt.Errorf("a request of more than %d bytes", maxRequest)
	}
	return r.protobuf(b)
}

// protobuf reads one request. Requests of traces and of logs have the same
// frame: what is read as the other kind is refused for the types of its fields.
func (r *reader) protobuf(b []byte) error {
	if r.options.Kind != 0 {
		batch, err := ingest.Decode(r.options.Kind, b)
		if err != nil {
			return err
		}
		return r.give(batch)
	}
	traces, notTraces := ingest.TracesFromWire(b)
	logs, notLogs := ingest.LogsFromWire(b)
	switch {
	case notTraces != nil && notLogs != nil:
		return fmt.Errorf("neither a request of traces (%w) nor of logs (%w)", notTraces, notLogs)
	case notLogs != nil:
		return r.give(traces)
	case notTraces != nil:
		return r.give(logs)
	case traces.Len()+logs.Len() == 0:
		return nil
	}
	return errors.New("the bytes may be traces or logs: say which with --traces or --logs")
}

// give hands a batch on, divided when it is large.
func (r *reader) give(b *store.Batch) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	if b.Len() <= 2*requestRecords && len(b.Payload) <= 2*requestBytes || b.Len() == 1 {
		ingest.Arrived(b, r.options.Now)
		if !r.yield(b, nil) {
			return errEnough
		}
		return nil
	}
	half := b.Len() / 2
	for _, part := range [][2]int{{0, half}, {half, b.Len()}} {
		var divided *store.Batch
		var err error
		if b.Kind == store.Spans {
			divided, err = ingest.Traces(ingest.ToTraces(pointers(b.Spans[part[0]:part[1]])))
		} else {
			divided, err = ingest.Logs(ingest.ToLogs(pointers(b.Logs[part[0]:part[1]])))
		}
		if err == nil {
			err = r.give(divided)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func pointers[T any](records []T) []*T {
	out := make([]*T, len(records))
	for i := range records {
		out[i] = &records[i]
	}
	return out
}
