package logql

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// benchRecords are spread over one hour.
const benchRecords = 300_000

// benchStore has records of 20 services, each in 5 pods, in sealed blocks; one in
// ten thousand mentions a needle.
func benchStore(b *testing.B) *store.Store {
	b.Helper()
	o := store.NewDefaultOptions()
	o.FS, o.Decode, o.MaxAge = vfs.NewMem(1), ingest.Decode, 0
	s, err := store.Open("data", o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	const perBatch = 1000
	for first := 0; first < benchRecords; first += perBatch {
		ld := plog.NewLogs()
		rl := ld.ResourceLogs().AppendEmpty()
		n := first / perBatch
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("service-%d", n%20))
		rl.Resource().Attributes().PutStr("k8s.pod.name", fmt.Sprintf("service-%d-%d", n%20, n/20%5))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for i := first; i < first+perBatch; i++ {
			l := records.AppendEmpty()
			l.SetTimestamp(pcommon.NewTimestampFromTime(base.Add(time.Duration(i) * time.Hour / benchRecords)))
			l.SetSeverityNumber(plog.SeverityNumber(9 + i%3*4))
			text := fmt.Sprintf(`level=info msg="request done" path=/items/%d status=%d took=%dms`, i%100, 200+i%4*100, i%997)
			if i%10_000 == 77 {
				text += " needle"
			}
			l.Body().SetStr(text)
		}
		batch, err := ingest.Logs(ld)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkQueries(b *testing.B) {
	s := benchStore(b)
	e := New(s, s, Limits{})
	end := base.Add(time.Hour)
	for _, src := range []string{
		`{service_name="service-3"}`,
		`{service_name=~".+"} |= "needle"`,
		`{service_name=~".+"} |= "not there"`,
		`{service_name=~".+"} |= "not: there"`,
		`{service_name=~".+"} |= "777777"`,
		`{service_name=~".+"} |~ "(?i)NOT .* there"`,
		`{service_name="service-3"} | logfmt | status >= 500 | path = "/items/3"`,
		`sum by (service_name) (count_over_time({service_name=~".+"} [1m]))`,
		`sum by (level, detected_level) (count_over_time({service_name="service-3"} | drop __error__ [15s]))`,
		`sum by (status) (rate({service_name=~".+"} | logfmt [1m]))`,
		`quantile_over_time(0.95, {service_name="service-3"} | logfmt | unwrap duration(took) [1m]) by (path)`,
	} {
		b.Run(src, func(b *testing.B) {
			expr, err := Parse(src)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if lines, ok := expr.(*LogExpr); ok {
					_, err = e.Logs(b.Context(), LogQuery{Expr: lines, Start: uint64(base.UnixNano()), End: uint64(end.UnixNano())})
				} else {
					_, err = e.Metric(b.Context(), MetricQuery{Expr: expr, Start: base, End: end, Step: 15 * time.Second})
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStreams lists the streams of an hour, as completion in Grafana does
// for a selection.
func BenchmarkStreams(b *testing.B) {
	s := benchStore(b)
	e := New(s, s, Limits{})
	for _, size := range []bool{false, true} {
		b.Run(fmt.Sprintf("bytes=%v", size), func(b *testing.B) {
			for b.Loop() {
				found, err := e.Streams(b.Context(), StreamQuery{Start: uint64(base.UnixNano()), End: uint64(base.Add(time.Hour).UnixNano()), Bytes: size})
				if err != nil || len(found.Streams) != 100 {
					b.Fatalf("got %d streams, %v", len(found.Streams), err)
				}
			}
		})
	}
}

func BenchmarkLabelSets(b *testing.B) {
	s := benchStore(b)
	e := New(s, s, Limits{})
	for b.Loop() {
		found, err := e.LabelSets(b.Context(), nil, uint64(base.UnixNano()), uint64(base.Add(time.Hour).UnixNano()))
		if err != nil || len(found["k8s_pod_name"]) != 100 {
			b.Fatalf("got %v, %v", found, err)
		}
	}
}
