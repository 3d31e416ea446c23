package store_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// How much the benchmarks of this file look through: the figures of
// bench/README.md are of 10,000,000 log records and 5,000,000 spans.
var (
	benchLogs  = flag.Int("logs", 2*benchRows, "log records of BenchmarkLogSearch")
	benchSpans = flag.Int("spans", 2*benchRows, "spans of BenchmarkSpanSearch")
)

// blocksOnDisk makes blocks, in files, of n records that next makes.
func blocksOnDisk(b *testing.B, k store.Kind, n int, next func() *store.Batch) *store.TestView {
	dir := b.TempDir()
	var parts []store.Part
	for n > 0 {
		head := store.NewTestHead(k)
		rows := 0
		for ; rows < benchRows && n > 0; n -= 1000 {
			batch := next()
			rows += batch.Len()
			head.Append(batch)
		}
		file, err := head.Seal()
		if err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprint(len(parts)))
		if err := os.WriteFile(path, file, 0o600); err != nil {
			b.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = f.Close() })
		block, err := store.OpenTestBlock(f, int64(len(file)), path)
		if err != nil {
			b.Fatal(err)
		}
		parts = append(parts, block)
	}
	return store.NewTestView(func(err *store.CorruptionError) { b.Error(err) }, parts...)
}

// timed runs f again and again and reports CPU time and the 95th percentile.
func timed(b *testing.B, f func() (found int)) {
	var took []time.Duration
	found := 0
	done := cpu(b, 1, "query")
	for b.Loop() {
		start := time.Now()
		found = f()
		took = append(took, time.Since(start))
	}
	done()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
	b.ReportMetric(float64(found), "found")
}

// BenchmarkLogSearch looks for parts of log bodies, newest first.
func BenchmarkLogSearch(b *testing.B) {
	l := workload.NewLogs(workloadStart)
	made, rare := 0, ""
	view := blocksOnDisk(b, store.Logs, *benchLogs, func() *store.Batch {
		batch := l.Batch()
		if made += batch.Len(); rare == "" && made > *benchLogs/2 {
			rare = partOfID(batch.Logs)
		}
		return batch
	})
	searches := bodySearches(rare)
	for _, name := range slices.Sorted(maps.Keys(searches)) {
		b.Run(name, func(b *testing.B) {
			timed(b, func() (found int) {
				for _, err := range view.Logs(context.Background(), store.Query{Where: searches[name], Limit: 100}) {
					if err != nil {
						b.Fatal(err)
					}
					found++
				}
				return found
			})
		})
	}
}

// BenchmarkSpanSearch looks for spans and traces.
func BenchmarkSpanSearch(b *testing.B) {
	w := workload.New(workloadStart)
	view := blocksOnDisk(b, store.Spans, *benchSpans, w.Batch)
	hour := store.Query{Start: w.Now - uint64(time.Hour), Limit: 20, OnePerTrace: true, Need: store.NeedCore, Where: store.And{
		attrIs(store.ResourceAttr, "service.name", store.Eq, store.StringValue("service-07")),
		attrIs(store.RecordAttr, "app.tenant", store.Eq, store.StringValue("tenant-010")),
		attrIs(store.Intrinsic, store.FieldDuration, store.Ge, store.IntValue(9_000_000)),
		attrIs(store.Intrinsic, store.FieldName, store.Eq, store.StringValue("POST /api/v1/service-07/things-3/{id}"))}}
	absent := func(v string) store.Query {
		return store.Query{Limit: 20, Where: attrIs(store.AnyAttr, "url.path", store.Eq, store.StringValue(v))}
	}
	for name, q := range map[string]store.Query{"hour": hour, "absent": absent("/none"), "absent like others": absent("/api/v1/service-07/things-3/9999999")} {
		b.Run(name, func(b *testing.B) {
			timed(b, func() (found int) {
				for _, err := range view.Spans(context.Background(), q) {
					if err != nil {
						b.Fatal(err)
					}
					found++
				}
				return found
			})
		})
	}
	b.Run("trace", func(b *testing.B) {
		next := 0
		timed(b, func() (found int) {
			for _, err := range view.Trace(context.Background(), w.Sample[next%len(w.Sample)], nil) {
				if err != nil {
					b.Fatal(err)
				}
				found++
			}
			next++
			return found
		})
	})
}
