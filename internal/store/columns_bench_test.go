package store_test

import (
	"bytes"
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
)

const benchRows = 64 << 10

// workloadStart is when the spans of the benchmarks begin.
const workloadStart = uint64(1_700_000_000_000_000_000)

// cpu reports the CPU time of the process per unit beside the elapsed time: on
// a shared machine it is the figure that can be compared.
func cpu(b *testing.B, units int, unit string) func() {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N*units), "cpu-ns/"+unit) }
}

// benchBatches are batches for one block of the kind.
func benchBatches(k store.Kind) []*store.Batch {
	if k == store.Logs {
		return workload.NewLogs(workloadStart).Batches(benchRows)
	}
	return workload.New(workloadStart).Batches(benchRows)
}

// BenchmarkHeadAppend fills heads one after the other, as a lane does.
func BenchmarkHeadAppend(b *testing.B) {
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		b.Run(k.String(), func(b *testing.B) {
			batches := benchBatches(k)
			head := benchHead(k)
			b.ReportAllocs()
			defer cpu(b, benchRows, "record")()
			for b.Loop() {
				head = store.NewTestHeadAfter(head)
				for _, batch := range batches {
					head.Append(batch)
				}
			}
		})
	}
}

func benchHead(k store.Kind) store.Part {
	head := store.NewTestHead(k)
	for _, batch := range benchBatches(k) {
		head.Append(batch)
	}
	return head
}

func BenchmarkSeal(b *testing.B) {
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		b.Run(k.String(), func(b *testing.B) {
			head := benchHead(k)
			size := 0
			b.ReportAllocs()
			defer cpu(b, benchRows, "record")()
			for b.Loop() {
				n, err := head.SealSize()
				if err != nil {
					b.Fatal(err)
				}
				size = n
			}
			b.ReportMetric(float64(size)/benchRows, "B/record")
			b.ReportMetric(float64(sealed(b, head, "block").Grams())/benchRows, "filter-B/record")
			b.ReportMetric(float64(head.SizeBytes())/benchRows, "head-B/record")
		})
	}
}

// benchView is a view of blocks with an hour of spans, and some trace ids.
func benchView(b *testing.B) (*store.TestView, []store.TraceID) {
	w := workload.New(workloadStart)
	var parts []store.Part
	for w.Now < workloadStart+uint64(time.Hour) {
		head := store.NewTestHead(store.Spans)
		for _, batch := range w.Batches(benchRows) {
			head.Append(batch)
		}
		file, err := head.Seal()
		if err != nil {
			b.Fatal(err)
		}
		block, err := store.OpenTestBlock(bytes.NewReader(file), int64(len(file)), "block")
		if err != nil {
			b.Fatal(err)
		}
		parts = append(parts, block)
	}
	return store.NewTestView(func(err *store.CorruptionError) { b.Error(err) }, parts...), w.Sample
}

func attrIs(place store.Place, name string, op store.Op, v store.Value) store.Cond {
	return store.Cond{Field: store.Field{Place: place, Name: name}, Op: op, Value: v}
}

// BenchmarkSearchHead is for what is not sealed yet.
func BenchmarkSearchHead(b *testing.B) {
	benchSearch(b, store.NewTestView(nil, benchHead(store.Spans)))
}

// BenchmarkSearch is for an hour of spans in blocks.
func BenchmarkSearch(b *testing.B) {
	view, _ := benchView(b)
	benchSearch(b, view)
}

func benchSearch(b *testing.B, view *store.TestView) {
	service := attrIs(store.ResourceAttr, "service.name", store.Eq, store.StringValue("service-07"))
	tenant := attrIs(store.RecordAttr, "app.tenant", store.Eq, store.StringValue("tenant-010"))
	slow := attrIs(store.Intrinsic, store.FieldDuration, store.Ge, store.IntValue(9_000_000))
	for name, q := range map[string]store.Query{
		"operation": {Where: store.And{service, tenant, slow, attrIs(store.Intrinsic, store.FieldName, store.Eq,
			store.StringValue("POST /api/v1/service-07/things-3/{id}"))}, Limit: 20, OnePerTrace: true, Need: store.NeedCore},
		"service": {Where: store.And{service, slow}, Limit: 20, OnePerTrace: true, Need: store.NeedCore},
		"full":    {Where: store.And{service, slow}, Limit: 20, OnePerTrace: true},
		"absent":  {Where: attrIs(store.RecordAttr, "url.path", store.Eq, store.StringValue("/none")), Limit: 20},
		"path": {Where: attrIs(store.AnyAttr, "url.path", store.Eq,
			store.StringValue("/api/v1/service-07/things-3/4711")), Limit: 20},
		"errors": {Where: attrIs(store.Intrinsic, store.FieldStatus, store.Eq, store.IntValue(2)), Limit: 20, Need: store.NeedCore},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			defer cpu(b, 1, "query")()
			for b.Loop() {
				n = 0
				for _, err := range view.Spans(context.Background(), q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n), "found")
		})
	}
}

func BenchmarkTrace(b *testing.B) {
	view, ids := benchView(b)
	b.ReportAllocs()
	spans, i := 0, 0
	defer cpu(b, 1, "query")()
	for b.Loop() {
		for _, err := range view.Trace(context.Background(), ids[i%len(ids)], nil) {
			if err != nil {
				b.Fatal(err)
			}
			spans++
		}
		i++
	}
	b.ReportMetric(float64(spans)/float64(b.N), "spans")
}

func BenchmarkOperations(b *testing.B) {
	view, _ := benchView(b)
	defer cpu(b, 1, "query")()
	for b.Loop() {
		for _, err := range view.Operations(context.Background(), 0, 0, nil) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSums is for an hour of services by minute, when nothing is kept from
// questions before and when all is.
func BenchmarkSums(b *testing.B) {
	view, _ := benchView(b)
	ask := func(b *testing.B, view *store.TestView) {
		q := store.SumQuery{Start: workloadStart, End: workloadStart + uint64(time.Hour), Step: uint64(time.Minute), First: workloadStart}
		for _, err := range view.Sums(context.Background(), q) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, name := range []string{"cold", "warm"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer cpu(b, 1, "query")()
			for b.Loop() {
				if name == "cold" {
					view.KeepSums(store.NewTestView(nil))
				}
				ask(b, view)
			}
		})
	}
}
