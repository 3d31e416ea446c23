package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// What is noted while the workload is made is what the encoded requests hold.
func TestFacts(t *testing.T) {
	begin := time.Unix(1_800_000_000, 0)
	s, err := encodeSpans(context.Background(), filepath.Join(t.TempDir(), "spans"), 20_000, begin)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	requests, records := s.prefix(19_000)
	if requests >= len(s.requests) || records < 19_000 {
		t.Fatalf("the prefix of 19000 spans has %d of %d requests with %d spans", requests, len(s.requests), records)
	}
	spans, hits := map[store.TraceID]int{}, map[string]map[store.TraceID]bool{}
	for b := range decoded(t, s.read(requests)) {
		for i := range b.Spans {
			span := &b.Spans[i]
			spans[span.TraceID]++
			service := span.Resource.ServiceName()
			if span.Name == searchedOperation(service) && span.Duration() >= uint64(searchedDuration) && attribute(span, "app.tenant") == searchedTenant {
				if hits[service] == nil {
					hits[service] = map[store.TraceID]bool{}
				}
				hits[service][span.TraceID] = true
			}
		}
	}
	got, want := map[string]int{}, map[string]int{}
	for _, k := range s.facts.sample(requests, 100) {
		got[k.id.String()], want[k.id.String()] = spans[k.id], k.spans
	}
	for _, service := range s.facts.busiest() {
		_, most := s.facts.found(searchTraces, service, requests, uint64(begin.UnixNano()), uint64(begin.Add(time.Hour).UnixNano()))
		got[service], want[service] = len(hits[service]), most
	}
	if len(got) != 120 {
		t.Errorf("got %d facts; want 120", len(got))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-noted +encoded):\n%s", diff)
	}
}

// decoded gives the batches of a source.
func decoded(t *testing.T, from source) func(func(*store.Batch) bool) {
	return func(yield func(*store.Batch) bool) {
		for request := from(); request != nil; request = from() {
			body, err := request.body(nil)
			if err != nil {
				t.Fatal(err)
			}
			b, err := ingest.TracesFromWire(body)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(b) {
				return
			}
		}
	}
}
