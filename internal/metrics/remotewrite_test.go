package metrics

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// push sends a remote write request as a Prometheus server does.
func push(t *testing.T, url string, msg remoteapi.WriteMessageType, body []byte) *http.Response {
	t.Helper()
	req, err := http.NewRequest("POST", url+"/api/v1/write", bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf;proto="+string(msg))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res
}

func label(kv ...string) []prompb.Label {
	var out []prompb.Label
	for i := 0; i < len(kv); i += 2 {
		out = append(out, prompb.Label{Name: kv[i], Value: kv[i+1]})
	}
	return out
}

// One late sample does not take the rest of a remote write 1 request with it.
func TestRemoteWrite1(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	_, url := client(t, db)
	ms := now.UnixMilli()
	late := now.Add(-4 * time.Hour).UnixMilli()
	req := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{
		{
			Labels:    label("__name__", "up", "job", "node"),
			Samples:   []prompb.Sample{{Timestamp: ms, Value: 1}},
			Exemplars: []prompb.Exemplar{{Labels: label("trace_id", "abc"), Value: 2, Timestamp: ms}},
		},
		{Labels: label("__name__", "old", "job", "node"), Samples: []prompb.Sample{{Timestamp: late, Value: 1}}},
		{
			Labels: label("__name__", "latency", "job", "node"),
			Histograms: []prompb.Histogram{{
				Count: &prompb.Histogram_CountInt{CountInt: 3}, Sum: 4, Timestamp: ms,
				ZeroCount:     &prompb.Histogram_ZeroCountInt{},
				PositiveSpans: []prompb.BucketSpan{{Offset: 1, Length: 1}}, PositiveDeltas: []int64{3},
			}},
		},
	}, Metadata: []prompb.MetricMetadata{{MetricFamilyName: "up", Type: prompb.MetricMetadata_GAUGE, Help: "1 when the last scrape succeeded."}}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if res := push(t, url, remoteapi.WriteV1MessageType, body); res.StatusCode != http.StatusNoContent {
		t.Fatalf("got %s; want 204", res.Status)
	}
	want := map[string]float64{`{__name__="up", job="node"}`: 1}
	if d := cmp.Diff(want, vector(t, db, "up", now)); d != "" {
		t.Errorf("sample (-want +got):\n%s", d)
	}
	if got := one(t, db, "histogram_count(latency)", now); got != 3 {
		t.Errorf("histogram: got count %g; want 3", got)
	}
	if got := dropped(t, o, reasonTooOld); got != 1 {
		t.Errorf("too old: got %g; want 1", got)
	}
	if got := counter(t, o, "signalbox_metrics_appended_samples_total", ""); got != 2 {
		t.Errorf("appended: got %g; want 2", got)
	}
	if d := cmp.Diff([]Metadata{{Type: "gauge", Help: "1 when the last scrape succeeded."}}, db.Metadata("up")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	c, _ := client(t, db)
	if es, err := c.QueryExemplars(t.Context(), "up", now.Add(-time.Hour), now); err != nil || len(es) != 1 {
		t.Errorf("exemplars: got %v, %v; want one", es, err)
	}
}

// Remote write 2 tells the sender what was written, and brings metadata.
func TestRemoteWrite2(t *testing.T) {
	o := testOptions()
	db := open(t, t.TempDir(), o)
	_, url := client(t, db)
	symbols := []string{"", "__name__", "req_seconds_count", "job", "node", "Time taken.", "seconds", "late_total"}
	req := &writev2.Request{Symbols: symbols, Timeseries: []writev2.TimeSeries{
		{
			LabelsRefs: []uint32{1, 2, 3, 4},
			Samples:    []writev2.Sample{{Timestamp: now.UnixMilli(), Value: 9}},
			Metadata:   writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_HISTOGRAM, HelpRef: 5, UnitRef: 6},
		},
		{
			LabelsRefs: []uint32{1, 7, 3, 4},
			Samples:    []writev2.Sample{{Timestamp: now.Add(-4 * time.Hour).UnixMilli(), Value: 1}},
		},
	}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	res := push(t, url, remoteapi.WriteV2MessageType, body)
	if got := res.Header.Get("X-Prometheus-Remote-Write-Samples-Written"); res.StatusCode != http.StatusBadRequest || got != "1" {
		t.Errorf("got %s with %s samples written; want 400 with 1", res.Status, got)
	}
	if got := one(t, db, "req_seconds_count", now); got != 9 {
		t.Errorf("sample: got %g; want 9", got)
	}
	if d := cmp.Diff([]Metadata{{Type: "histogram", Help: "Time taken.", Unit: "seconds"}}, db.Metadata("req_seconds")); d != "" {
		t.Errorf("metadata (-want +got):\n%s", d)
	}
	if got := dropped(t, o, reasonTooOld); got != 1 {
		t.Errorf("too old: got %g; want 1", got)
	}
}

// Garbage is refused, and never takes more memory than it has bytes.
func TestRemoteWriteGarbage(t *testing.T) {
	db := open(t, t.TempDir(), testOptions())
	_, url := client(t, db)
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"not snappy":          {"\xff\xff\xff", http.StatusBadRequest},
		"not protobuf":        {string(snappy.Encode(nil, []byte("\x1a\xff\xff\xff\xff\x0f"))), http.StatusBadRequest},
		"claims four billion": {"\xff\xff\xff\xff\x0f", http.StatusRequestEntityTooLarge},
	} {
		req, err := http.NewRequest("POST", url+"/api/v1/write", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", "snappy")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tc.want {
			t.Errorf("%s: got %s; want %d", name, res.Status, tc.want)
		}
	}
}
