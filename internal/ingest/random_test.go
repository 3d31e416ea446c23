package ingest_test

import (
	"math"
	"math/rand/v2"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/xpdata"
)

// random makes telemetry with everything the protocol can say, likely and not.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 1))} }

// some is a small count, often zero.
func (r random) some() int { return max(0, r.IntN(6)-2) }

func (r random) text() string {
	texts := []string{"", "a", "http.method", "größe", "\xff\xfe", "x\x00y", "SELECT * FROM t WHERE id = $1"}
	if r.IntN(10) == 0 {
		return string(make([]byte, 100+r.IntN(200))) // a length of two bytes
	}
	return texts[r.IntN(len(texts))]
}

func (r random) number() uint64 {
	switch r.IntN(4) {
	case 0:
		return 0
	case 1:
		return math.MaxUint64
	case 2:
		return uint64(r.IntN(200))
	}
	return r.Uint64()
}

func (r random) traceID() (id pcommon.TraceID) {
	if r.IntN(4) > 0 {
		for i := range id {
			id[i] = byte(r.Uint32())
		}
	}
	return id
}

func (r random) spanID() (id pcommon.SpanID) {
	if r.IntN(4) > 0 {
		for i := range id {
			id[i] = byte(r.Uint32())
		}
	}
	return id
}

func (r random) value(dst pcommon.Value, depth int) {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0: // empty
	case 1:
		dst.SetStr(r.text())
	case 2:
		dst.SetBool(r.IntN(2) == 0)
	case 3:
		dst.SetInt(int64(r.number()))
	case 4:
		dst.SetDouble([]float64{0, math.Copysign(0, -1), 1.5, math.Inf(1), math.Inf(-1), math.NaN()}[r.IntN(6)])
	case 5:
		dst.SetEmptyBytes().FromRaw([]byte(r.text()))
	case 6:
		s := dst.SetEmptySlice()
		for range r.some() {
			r.value(s.AppendEmpty(), depth-1)
		}
	case 7:
		r.attrs(dst.SetEmptyMap(), depth-1)
	}
}

func (r random) attrs(dst pcommon.Map, depth int) {
	var b xpdata.MapBuilder
	for range r.some() {
		r.value(b.AppendEmpty(r.text()), depth)
	}
	b.UnsafeIntoMap(dst)
}

func (r random) resource(dst pcommon.Resource) {
	r.attrs(dst.Attributes(), 2)
	dst.SetDroppedAttributesCount(uint32(r.number()))
}

func (r random) scope(dst pcommon.InstrumentationScope) {
	dst.SetName(r.text())
	dst.SetVersion(r.text())
	r.attrs(dst.Attributes(), 2)
	dst.SetDroppedAttributesCount(uint32(r.number()))
}

func (r random) traces() ptrace.Traces {
	td := ptrace.NewTraces()
	for range r.some() {
		rs := td.ResourceSpans().AppendEmpty()
		r.resource(rs.Resource())
		rs.SetSchemaUrl(r.text())
		for range r.some() {
			ss := rs.ScopeSpans().AppendEmpty()
			r.scope(ss.Scope())
			ss.SetSchemaUrl(r.text())
			for range r.some() {
				r.span(ss.Spans().AppendEmpty())
			}
		}
	}
	return td
}

func (r random) span(s ptrace.Span) {
	s.SetTraceID(r.traceID())
	s.SetSpanID(r.spanID())
	s.SetParentSpanID(r.spanID())
	s.TraceState().FromRaw(r.text())
	s.SetFlags(uint32(r.number()))
	s.SetName(r.text())
	s.SetKind(ptrace.SpanKind(r.number()))
	s.SetStartTimestamp(pcommon.Timestamp(r.number()))
	s.SetEndTimestamp(pcommon.Timestamp(r.number()))
	r.attrs(s.Attributes(), 3)
	s.SetDroppedAttributesCount(uint32(r.number()))
	for range r.some() {
		e := s.Events().AppendEmpty()
		e.SetTimestamp(pcommon.Timestamp(r.number()))
		e.SetName(r.text())
		r.attrs(e.Attributes(), 2)
		e.SetDroppedAttributesCount(uint32(r.number()))
	}
	s.SetDroppedEventsCount(uint32(r.number()))
	for range r.some() {
		l := s.Links().AppendEmpty()
		l.SetTraceID(r.traceID())
		l.SetSpanID(r.spanID())
		l.TraceState().FromRaw(r.text())
		l.SetFlags(uint32(r.number()))
		r.attrs(l.Attributes(), 2)
		l.SetDroppedAttributesCount(uint32(r.number()))
	}
	s.SetDroppedLinksCount(uint32(r.number()))
	s.Status().SetCode(ptrace.StatusCode(r.number()))
	s.Status().SetMessage(r.text())
}

func (r random) logs() plog.Logs {
	ld := plog.NewLogs()
	for range r.some() {
		rl := ld.ResourceLogs().AppendEmpty()
		r.resource(rl.Resource())
		rl.SetSchemaUrl(r.text())
		for range r.some() {
			sl := rl.ScopeLogs().AppendEmpty()
			r.scope(sl.Scope())
			sl.SetSchemaUrl(r.text())
			for range r.some() {
				r.log(sl.LogRecords().AppendEmpty())
			}
		}
	}
	return ld
}

func (r random) log(l plog.LogRecord) {
	l.SetTimestamp(pcommon.Timestamp(r.number()))
	l.SetObservedTimestamp(pcommon.Timestamp(r.number()))
	l.SetSeverityNumber(plog.SeverityNumber(r.number()))
	l.SetSeverityText(r.text())
	r.value(l.Body(), 3)
	r.attrs(l.Attributes(), 3)
	l.SetDroppedAttributesCount(uint32(r.number()))
	l.SetFlags(plog.LogRecordFlags(r.number()))
	l.SetTraceID(r.traceID())
	l.SetSpanID(r.spanID())
	l.SetEventName(r.text())
}
