package server

import (
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/bench/workload"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// filledStore is a store with that many hours of the workload, a million spans
// each, and when they end.
func filledStore(b *testing.B, hours int) (*store.Store, uint64) {
	o := store.NewDefaultOptions()
	o.FS, o.MaxAge, o.MaxBytes, o.Sync = vfs.OS, 0, 0, store.SyncInterval
	o.Decode = func(store.Kind, []byte) (*store.Batch, error) { return nil, nil }
	s, err := store.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	const start = uint64(1_790_000_000_000_000_000)
	w := workload.New(start - start%uint64(time.Hour))
	end := w.Now + uint64(hours)*uint64(time.Hour)
	for n := 0; w.Now < end; n++ {
		batch := w.Batch()
		batch.Payload = strconv.AppendInt(nil, int64(n), 10)
		if err := s.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if n%60 == 59 {
			if err := s.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s, end
}

// cpuTime is what the process used, in nanoseconds: on a shared machine it can be
// compared, and the elapsed time cannot.
func cpuTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchHours is how many hours BenchmarkServicePage has, a million spans each.
var benchHours = flag.Int("hours", 2, "hours of spans of BenchmarkServicePage")

// BenchmarkServicePage asks what the page about services asks, again and again.
func BenchmarkServicePage(b *testing.B) {
	hours := *benchHours
	st, end := filledStore(b, hours)
	s := New(Deps{Reader: st, Catalog: st, Logger: slog.New(slog.DiscardHandler)})
	ask := func(name, path string, length, step time.Duration) {
		b.Run(fmt.Sprint(name, "/", length), func(b *testing.B) {
			// Not at whole minutes, and the last seconds are in the head.
			first := end - uint64(length) + uint64(7*time.Second)
			target := fmt.Sprintf("/api/signalbox/v1/%sstart=%s&end=%s&step=%s", path,
				strconv.FormatUint(first, 10), strconv.FormatUint(first+uint64(length), 10), step)
			var took []time.Duration
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				begin := time.Now()
				w := httptest.NewRecorder()
				s.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
				if took = append(took, time.Since(begin)); w.Code != 200 {
					b.Fatalf("GET %s: got %d %s", target, w.Code, w.Body)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-before)/1e6/float64(b.N), "cpu-ms/op")
			b.ReportMetric(float64(took[0])/1e6, "first-ms")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100])/1e6, "p95-ms")
		})
	}
	for _, length := range []time.Duration{time.Hour, time.Duration(hours) * time.Hour} {
		ask("services", "services?", length, length/60)
		ask("services-minutes", "services?", length, time.Minute)
		ask("operations", "services/service-07/operations?", length, length/60)
		ask("series", "services/service-07/series?", length, time.Minute)
	}
}
