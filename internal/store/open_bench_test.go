package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// BenchmarkOpen opens a directory of 50 million spans, asks about its services
// and closes it. The blocks are links to 16 that hold an hour.
func BenchmarkOpen(b *testing.B) {
	const spans = 50_000_000
	dir := b.TempDir()
	w := workload.New(workloadStart)
	blocks := spans / benchRows
	for i := range blocks {
		name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("spans-%012d-%012d.block", i+1, i+1)) }
		if i >= 16 {
			if err := os.Link(name(i%16), name(i)); err != nil {
				b.Fatal(err)
			}
			continue
		}
		head := store.NewTestHead(store.Spans)
		for _, batch := range w.Batches(benchRows) {
			head.Append(batch)
		}
		file, err := head.Seal()
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(name(i), file, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	o := store.NewDefaultOptions()
	o.MaxAge, o.MaxBytes = 0, 0
	o.Decode = func(store.Kind, []byte) (*store.Batch, error) { return nil, nil }
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	before, after := heap(), 0.0
	var first time.Duration
	defer cpu(b, 1, "open")()
	for b.Loop() {
		begin := time.Now()
		s, err := store.Open(dir, o)
		if err != nil {
			b.Fatal(err)
		}
		if st := s.Stats(); st.Blocks != blocks {
			b.Fatalf("got %d blocks; want %d", st.Blocks, blocks)
		}
		opened := time.Since(begin)
		for _, err := range s.Sums(context.Background(), store.SumQuery{Start: workloadStart, Step: uint64(time.Minute), First: workloadStart}) {
			if err != nil {
				b.Fatal(err)
			}
		}
		first = time.Since(begin) - opened
		if after == 0 {
			after = heap()
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(first.Seconds(), "first-answer-s")
	b.ReportMetric(after-before, "heap-MB")
}
