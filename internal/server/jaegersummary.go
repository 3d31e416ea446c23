package server

import (
	"maps"
	"slices"

	"github.com/signalbox-otel/signalbox/internal/server/jaegerv3"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// summaryOf says of a trace what a row of search results shows. The spans are
// ordered by time; there is at least one.
func summaryOf(spans []*store.Span) *jaegerv3.TraceSummary {
	t := &jaegerv3.TraceSummary{
		TraceId:              spans[0].TraceID.String(),
		MinStartTimeUnixNano: spans[0].Start,
		SpanCount:            int32(len(spans)),
	}
	there := make(map[store.SpanID]bool, len(spans))
	for _, s := range spans {
		there[s.SpanID] = true
	}
	var root, orphan *store.Span // the first of each
	services := map[string]*jaegerv3.ServiceSummary{}
	for _, s := range spans {
		name := jaegerService(s.Resource)
		service := services[name]
		if service == nil {
			service = &jaegerv3.ServiceSummary{Name: name}
			services[name] = service
		}
		service.SpanCount++
		if s.StatusCode == 2 {
			service.ErrorSpanCount++
			t.ErrorSpanCount++
		}
		t.MaxEndTimeUnixNano = max(t.MaxEndTimeUnixNano, s.Start, s.End)
		switch {
		case s.ParentID == (store.SpanID{}):
			if root == nil {
				root = s
			}
		case !there[s.ParentID]:
			t.OrphanSpanCount++
			if orphan == nil {
				orphan = s
			}
		}
	}
	if root == nil {
		root = orphan
	}
	if root == nil {
		root = spans[0] // parents in a circle
	}
	t.RootServiceName, t.RootOperationName = jaegerService(root.Resource), repaired(root.Name)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		t.Services = append(t.Services, services[name])
	}
	return t
}
