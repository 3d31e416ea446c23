package ingest_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// benchStart is when the records of the benchmarks begin.
const benchStart = uint64(1_700_000_000_000_000_000)

// requests are the bytes of OTLP requests of about 1,000 records each.
func requests(b *testing.B, k store.Kind, n int) [][]byte {
	spans, logs := workload.New(benchStart), workload.NewLogs(benchStart)
	out := make([][]byte, n)
	for i := range out {
		var err error
		if k == store.Spans {
			batch := spans.Batch()
			out[i], err = (&ptrace.ProtoMarshaler{}).MarshalTraces(ingest.ToTraces(pointers(batch.Spans)))
		} else {
			batch := logs.Batch()
			out[i], err = (&plog.ProtoMarshaler{}).MarshalLogs(ingest.ToLogs(pointers(batch.Logs)))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return out
}

// BenchmarkStore measures the whole way of a request from its bytes into the
// store: walk, log, head, and the blocks made of them, on real files. Only CPU
// time says something, also of requests that follow.
func BenchmarkStore(b *testing.B) {
	for _, k := range []store.Kind{store.Spans, store.Logs} {
		b.Run(k.String(), func(b *testing.B) {
			reqs := requests(b, k, 200)
			o := store.NewDefaultOptions()
			o.Decode = ingest.Decode
			s, err := store.Open(b.TempDir(), o)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(reqs[0])))
			before, n := cpuTime(b), 0
			for b.Loop() {
				// The store keeps a request that comes again once: a field that
				// OTLP does not have makes each another.
				payload := protowire.AppendTag(reqs[n%len(reqs)], 4711, protowire.VarintType)
				payload = protowire.AppendVarint(payload, uint64(n))
				n++
				batch, err := ingest.Decode(k, payload)
				if err != nil {
					b.Fatal(err)
				}
				for {
					var overload *store.OverloadError
					if err = s.Append(b.Context(), batch); !errors.As(err, &overload) {
						break
					}
					<-time.After(10 * time.Millisecond)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			used := cpuTime(b) - before
			b.ReportMetric(float64(used)/float64(n)/records, "cpu-ns/record")
			b.ReportMetric(float64(n)*records/used.Seconds(), "records/cpu-s")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
