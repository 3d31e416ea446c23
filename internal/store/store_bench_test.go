package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// BenchmarkAppend measures a batch of 1,000 spans from call to answer, on real
// files, with one sender and with eight that share fsyncs.
func BenchmarkAppend(b *testing.B) {
	for _, senders := range []int{1, 8} {
		for _, mode := range []SyncMode{SyncGroup, SyncInterval} {
			b.Run(fmt.Sprintf("senders=%d/sync=%s", senders, mode), func(b *testing.B) {
				o := testOptions(vfs.OS)
				o.SealRows, o.Sync = NewDefaultOptions().SealRows, mode
				s, err := Open(b.TempDir(), o)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				batch := testBatch(Spans, testDay, upTo(1000)...)
				for i := range batch.Spans {
					batch.Spans[i].Attrs = []Attr{{Key: "http.route", Value: StringValue("/cart")},
						{Key: "http.status", Value: IntValue(200)}, {Key: "user.id", Value: StringValue(fmt.Sprint("user-", i))}}
				}
				var refused atomic.Int64
				b.SetParallelism(senders)
				b.SetBytes(int64(len(batch.Payload)))
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						var overload *OverloadError
						for {
							err := s.Append(b.Context(), batch)
							if err == nil {
								break
							}
							if !errors.As(err, &overload) {
								b.Error(err)
								return
							}
							refused.Add(1)
							<-time.After(10 * time.Millisecond)
						}
					}
				})
				b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "spans/s")
				b.ReportMetric(float64(refused.Load()), "refused")
			})
		}
	}
}
