package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// request is one request of a stream.
type request struct {
	offset  int64
	size    int
	records int
	newest  uint64 // about when its last record is of, in Unix nanoseconds
}

// stream is requests, encoded once and kept in a file, so that every contender
// is sent the same bytes and making them costs nothing while they are measured.
type stream struct {
	file     *os.File
	requests []request
	facts    facts
	more     maker // goes on where the requests end
}

// prefix is how many requests have n records or a few more, and how many they
// have.
func (s *stream) prefix(n int) (requests, records int) {
	for _, r := range s.requests {
		if records >= n {
			break
		}
		requests++
		records += r.records
	}
	return requests, records
}

func (s *stream) close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}

// maker makes the batches of a workload and says until when they go.
type maker interface{ Batch() *store.Batch }

// encodeSpans writes n spans or a few more to a new file.
func encodeSpans(ctx context.Context, path string, n int, begin time.Time) (*stream, error) {
	w := workload.New(uint64(begin.UnixNano()))
	return encode(ctx, path, n, w, func() uint64 { return w.Now })
}

// encodeLogs writes n log records or a few more to a new file.
func encodeLogs(ctx context.Context, path string, n int, begin time.Time) (*stream, error) {
	w := workload.NewLogs(uint64(begin.UnixNano()))
	return encode(ctx, path, n, w, func() uint64 { return w.Now })
}

// encode makes batches in one goroutine and their bytes in another.
func encode(ctx context.Context, path string, n int, w maker, now func() uint64) (_ *stream, err error) {
	s := &stream{facts: newFacts(), more: w}
	if s.file, err = os.Create(path); err != nil {
		return nil, err
	}
	type made struct {
		batch  *store.Batch
		newest uint64
	}
	batches := make(chan made, 4)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		for i, left := 0, n; left > 0; i++ {
			b := w.Batch()
			left -= b.Len()
			s.facts.note(i, b)
			select {
			case batches <- made{b, now()}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		var offset int64
		for m := range batches {
			body, err := marshal(m.batch)
			if err != nil {
				return err
			}
			if _, err := s.file.Write(body); err != nil {
				return err
			}
			s.requests = append(s.requests, request{offset, len(body), m.batch.Len(), m.newest})
			offset += int64(len(body))
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("encoding the workload: %w", err), s.close())
	}
	return s, nil
}

// marshal makes a request of a batch.
func marshal(b *store.Batch) ([]byte, error) {
	if b.Kind == store.Logs {
		logs := make([]*store.Log, len(b.Logs))
		for i := range b.Logs {
			logs[i] = &b.Logs[i]
		}
		return new(plog.ProtoMarshaler).MarshalLogs(ingest.ToLogs(logs))
	}
	spans := make([]*store.Span, len(b.Spans))
	for i := range b.Spans {
		spans[i] = &b.Spans[i]
	}
	return new(ptrace.ProtoMarshaler).MarshalTraces(ingest.ToTraces(spans))
}

// source gives requests one after the other; nil is the end. Senders call it one
// at a time, what it gives all at once.
type source func() *outgoing

// outgoing is a request that is about to be sent.
type outgoing struct {
	records int
	// body may use the buffer, which the sender keeps for its next request.
	body func(buffer []byte) ([]byte, error)
}

// read gives the first requests of the stream.
func (s *stream) read(requests int) source {
	next := 0
	return func() *outgoing {
		if next == requests {
			return nil
		}
		r := s.requests[next]
		next++
		return &outgoing{r.records, func(buffer []byte) ([]byte, error) {
			body := slices.Grow(buffer[:0], r.size)[:r.size]
			_, err := s.file.ReadAt(body, r.offset)
			return body, err
		}}
	}
}

// live makes spans while they are sent: more than a file should have.
func live(w maker, n int) source {
	return func() *outgoing {
		if n <= 0 {
			return nil
		}
		b := w.Batch()
		n -= b.Len()
		return &outgoing{b.Len(), func([]byte) ([]byte, error) { return marshal(b) }}
	}
}
