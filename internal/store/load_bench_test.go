package store_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// payloadOf is about what a batch is as OTLP: as large, and as easily compressed.
func payloadOf(b *store.Batch) []byte {
	var p []byte
	for i := range b.Spans {
		s := &b.Spans[i]
		p = append(append(p, s.TraceID[:]...), s.SpanID[:]...)
		p = append(append(p, s.ParentID[:]...), s.Name...)
		p = fmt.Append(p, s.Start, s.End)
		for _, a := range s.Attrs {
			p = append(append(p, a.Key...), a.Value.Str()...)
		}
	}
	return p
}

// memoryOf is a figure of the process's memory in MB.
func memoryOf(b *testing.B, name string) (mb float64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb := 0
			fmt.Sscan(rest, &kb)
			mb = float64(kb) / 1024
		}
	}
	return mb
}

// BenchmarkFullLoad appends a million spans from four senders that never pause:
// the slowest answer, what was refused, and the memory of sender and store.
func BenchmarkFullLoad(b *testing.B) {
	const spans, senders = 1_000_000, 4
	for b.Loop() {
		o := store.NewDefaultOptions()
		o.Decode = func(store.Kind, []byte) (*store.Batch, error) { return nil, nil }
		s, err := store.Open(b.TempDir(), o)
		if err != nil {
			b.Fatal(err)
		}
		batches := make(chan *store.Batch, senders)
		go func() {
			defer close(batches)
			w := workload.New(workloadStart)
			for n := 0; n < spans; {
				batch := w.Batch()
				batch.Payload = payloadOf(batch)
				n += batch.Len()
				batches <- batch
			}
		}()
		var wg sync.WaitGroup
		var slowest, refused atomic.Int64
		begin := time.Now()
		for range senders {
			wg.Go(func() {
				for batch := range batches {
					for {
						start := time.Now()
						err := s.Append(b.Context(), batch)
						for d := int64(time.Since(start)); ; {
							if old := slowest.Load(); d <= old || slowest.CompareAndSwap(old, d) {
								break
							}
						}
						var overload *store.OverloadError
						if !errors.As(err, &overload) {
							if err != nil {
								b.Error(err)
							}
							break
						}
						refused.Add(1)
						<-time.After(overload.RetryAfter)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(spans/time.Since(begin).Seconds(), "spans/s")
		b.ReportMetric(float64(slowest.Load())/1e6, "slowest-ms")
		b.ReportMetric(float64(refused.Load()), "refused")
		b.ReportMetric(memoryOf(b, "VmHWM"), "peak-MB")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
