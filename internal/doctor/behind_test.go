package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// remote is a collector of which there are two processes, on another machine,
// with a store behind it that takes traces only.
func remote(t *testing.T) (o Options, sent *atomic.Int64) {
	t.Helper()
	sent = new(atomic.Int64)
	metrics := func(share int64) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "# TYPE otelcol_exporter_sent_spans_total counter\notelcol_exporter_sent_spans_total{exporter=\"otlp\"} %d\n", sent.Load()*share)
			fmt.Fprintf(w, "# TYPE otelcol_exporter_sent_log_records_total counter\notelcol_exporter_sent_log_records_total{exporter=\"otlp\"} %d\n", sent.Load()*share)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/signalbox/v1/traces/") {
			fmt.Fprint(w, "{}")
			return
		}
		fmt.Fprint(w, `{"logs": []}`)
	}))
	t.Cleanup(store.Close)
	return Options{
		Topology: &Topology{
			Listeners: []Listener{{Receiver: "otlp", Protocol: "http", Network: "tcp", Address: "otel-collector:4318"}},
			Pipelines: []Pipeline{
				{ID: "traces", Signal: "traces", Receivers: []string{"otlp"}, Exporters: []string{"otlp"}},
				{ID: "logs", Signal: "logs", Receivers: []string{"otlp"}, Exporters: []string{"otlp"}},
			},
			Exits: []Exit{{Exporter: "otlp", Endpoint: "store:4317"}},
		},
		Metrics: []string{metrics(0), metrics(1)}, Store: store.URL, LeadsToStore: func(endpoint string) bool { return endpoint == "store:4317" },
		Timeout: 300 * time.Millisecond, Command: "signalbox doctor -n shop",
	}, sent
}

// Probes that somebody else sends are followed through the metrics of all
// processes into the store behind them.
func TestBehindACollector(t *testing.T) {
	o, sent := remote(t)
	o.Send = func(_ context.Context, parcels []Parcel) ([]Answer, error) {
		var answers []Answer
		for _, p := range parcels {
			answers = append(answers, Answer{true, Hop{Kind: "receiver", Component: p.Listener.Receiver, Status: OK, Text: "took it"}})
		}
		sent.Add(1)
		return answers, nil
	}
	report, err := Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range report.Checks {
		for _, h := range c.Hops {
			got = append(got, fmt.Sprintf("%s %s %s: %s", c.Signal, h.Status, h.Component, strings.ReplaceAll(h.Text, c.Probe, "MARK")))
		}
	}
	want := []string{
		"traces ok otlp: took it", "traces ok otlp: sent it to store:4317", "traces ok store: has it: trace MARK",
		"logs ok otlp: took it", "logs ok otlp: sent it to store:4317", "logs error store: does not have it after 300ms",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if last := report.Checks[1].Hops[2]; last.Fix != "signalbox doctor -n shop --timeout 60s" {
		t.Errorf("got %q as advice", last.Fix)
	}
}

// Where nobody could send, nothing is called good, or bad.
func TestNobodySends(t *testing.T) {
	o, _ := remote(t)
	o.Send = func(context.Context, []Parcel) ([]Answer, error) { return nil, errors.New("no room for a pod") }
	report, err := Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		if c.Status != Unknown || len(c.Hops) != 1 || c.Hops[0].Text != "no probe was sent: no room for a pod" {
			t.Errorf("got %+v", c)
		}
	}
}

// A collector of which nothing is known is judged by what arrives.
func TestForeignCollector(t *testing.T) {
	o, _ := remote(t)
	o.Topology.Foreign = true
	for i := range o.Topology.Pipelines {
		o.Topology.Pipelines[i].Exporters = nil
	}
	o.Metrics, o.LeadsToStore = nil, nil
	o.Send = func(_ context.Context, parcels []Parcel) ([]Answer, error) {
		return []Answer{{Taken: true, Hop: Hop{Kind: "receiver", Status: OK}}, {Taken: true, Hop: Hop{Kind: "receiver", Status: OK}}}, nil
	}
	report, err := Examine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 0 || report.Checks[0].Status != OK || report.Checks[1].Status != Error {
		t.Errorf("got %+v; want the span in the store, the log record not, and nothing else", report)
	}
}
