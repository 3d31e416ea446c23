package metrics

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Whatever a client sends: no panic, and no error but those that Append names.
func FuzzAppend(f *testing.F) {
	t := &testing.T{}
	const cumulative, delta = pmetric.AggregationTemporalityCumulative, pmetric.AggregationTemporalityDelta
	for _, md := range []pmetric.Metrics{
		gauge(t, shop, "queue", now, 1),
		sum(t, "requests", cumulative, now, now, 1), sum(t, "hits", delta, now, now, 1),
		classic(t, cumulative, now, []uint64{1, 2, 3}, 4), classic(t, delta, now, []uint64{1, 2, 3}, 4),
		exponential(t, cumulative, now), exponential(t, delta, now),
	} {
		raw, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	db, err := Open(f.TempDir(), testOptions())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { db.Close() })
	f.Fuzz(func(t *testing.T, raw []byte) {
		req := pmetricotlp.NewExportRequest()
		if req.UnmarshalProto(raw) != nil {
			return
		}
		var refused *RefusedError
		if err := db.Append(context.Background(), req.Metrics()); err != nil && !errors.As(err, &refused) {
			t.Error(err)
		}
	})
}
