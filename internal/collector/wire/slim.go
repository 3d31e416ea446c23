package wire

import (
	"sync"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/servicegraphconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/spanmetricsconnector"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// Slim is what a connector reads of spans, by its configuration. What it does
// not read it is not given.
type Slim struct {
	// attributes are the keys that it looks for in spans, and also in resources
	// when resources is nil.
	attributes map[string]bool
	// resources are the keys that it looks for in resources; nil for all.
	resources map[string]bool
	scopes    bool // names and versions of instrumentation scopes
	edges     bool // only spans that are an end of a call between services

	pool sync.Pool // *texts
}

// Reads returns what the connector of a configuration reads; nil when it is of
// another kind than those that are known, or reads what Slim has no part for.
// Connectors put defaults into their configuration when they are made: ask then.
func Reads(cfg component.Config) *Slim {
	switch c := cfg.(type) {
	case *spanmetricsconnector.Config:
		if c.Events.Enabled {
			return nil
		}
		s := &Slim{attributes: map[string]bool{}, scopes: len(c.IncludeInstrumentationScope) > 0}
		for _, list := range [][]spanmetricsconnector.Dimension{c.Dimensions, c.CallsDimensions, c.Histogram.Dimensions} {
			for _, d := range list {
				if d.Glob != "" {
					return nil
				}
				s.attributes[d.Name] = true
			}
		}
		return s
	case *servicegraphconnector.Config:
		s := &Slim{attributes: map[string]bool{}, resources: map[string]bool{"service.name": true}, edges: true}
		for _, list := range [][]string{c.Dimensions, c.DatabaseNameAttributes} {
			for _, key := range list {
				s.attributes[key], s.resources[key] = true, true
			}
		}
		for _, key := range c.VirtualNodePeerAttributes {
			s.attributes[key] = true
		}
		return s
	}
	return nil
}

// texts gives every text its own memory, once: connectors keep names and values
// in their series for ever, and would keep the whole request with each.
type texts map[string]string

// maxTexts bounds the memory of texts.
const maxTexts = 10_000

func (t texts) own(s string) string {
	if s == "" {
		return ""
	}
	own, ok := t[s]
	if !ok {
		if len(t) >= maxTexts {
			clear(t)
		}
		own = string([]byte(s))
		t[own] = own
	}
	return own
}

// Traces is the part of a batch that the connector reads.
func (s *Slim) Traces(b *store.Batch) ptrace.Traces {
	t, ok := s.pool.Get().(texts)
	if !ok {
		t = texts{}
	}
	defer s.pool.Put(t)
	td := ptrace.NewTraces()
	var resource *store.Resource
	var scope *store.Scope
	var rs ptrace.ResourceSpans
	var ss ptrace.ScopeSpans
	for i := range b.Spans {
		span := &b.Spans[i]
		if s.edges && !isEdge(span) {
			continue
		}
		if span.Resource != resource {
			resource, scope = span.Resource, nil
			rs = td.ResourceSpans().AppendEmpty()
			s.fillAttributes(t, rs.Resource().Attributes(), resource.Attrs, s.resources)
		}
		if span.Scope != scope {
			scope = span.Scope
			ss = rs.ScopeSpans().AppendEmpty()
			if s.scopes {
				ss.Scope().SetName(t.own(scope.Name))
				ss.Scope().SetVersion(t.own(scope.Version))
			}
		}
		s.fill(t, ss.Spans().AppendEmpty(), span)
	}
	return td
}

func isEdge(s *store.Span) bool {
	switch ptrace.SpanKind(s.Kind) {
	case ptrace.SpanKindClient, ptrace.SpanKindServer, ptrace.SpanKindProducer, ptrace.SpanKindConsumer:
		return true
	}
	return false
}

func (s *Slim) fill(t texts, dst ptrace.Span, span *store.Span) {
	dst.SetTraceID(pcommon.TraceID(span.TraceID))
	dst.SetSpanID(pcommon.SpanID(span.SpanID))
	dst.SetKind(ptrace.SpanKind(span.Kind))
	dst.SetStartTimestamp(pcommon.Timestamp(span.Start))
	dst.SetEndTimestamp(pcommon.Timestamp(span.End))
	dst.Status().SetCode(ptrace.StatusCode(span.StatusCode))
	if s.edges {
		dst.SetParentSpanID(pcommon.SpanID(span.ParentID))
	} else {
		dst.SetName(t.own(span.Name))
		if span.TraceState != "" { // has the probability of the sampling
			dst.TraceState().FromRaw(t.own(span.TraceState))
		}
	}
	if len(s.attributes) > 0 {
		s.fillAttributes(t, dst.Attributes(), span.Attrs, s.attributes)
	}
}

// fillAttributes copies the attributes that have one of keys, nil for all.
func (s *Slim) fillAttributes(t texts, dst pcommon.Map, attrs []store.Attr, keys map[string]bool) {
	var to xpdata.MapBuilder // which keeps keys that come twice
	if keys == nil {
		to.EnsureCapacity(len(attrs))
	}
	for i := range attrs {
		a := &attrs[i]
		if keys != nil && !keys[a.Key] {
			continue
		}
		v := to.AppendEmpty(t.own(a.Key))
		if a.Value.Type == store.String {
			v.SetStr(t.own(a.Value.Str()))
		} else {
			ingest.Pvalue(a.Value.Clone()).MoveTo(v)
		}
	}
	to.UnsafeIntoMap(dst)
}
