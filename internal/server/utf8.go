package server

import (
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// repaired is text with U+FFFD in place of what is not UTF-8. Protobuf and JSON
// demand UTF-8 of every text; senders of OTLP get away without.
func repaired(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// repair changes a text that needs it.
func repair(text string, set func(string)) {
	if !utf8.ValidString(text) {
		set(repaired(text))
	}
}

// repairTraces makes every text of td UTF-8.
func repairTraces(td ptrace.Traces) {
	for _, rs := range td.ResourceSpans().All() {
		repair(rs.SchemaUrl(), rs.SetSchemaUrl)
		repairMap(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			repair(ss.SchemaUrl(), ss.SetSchemaUrl)
			repair(ss.Scope().Name(), ss.Scope().SetName)
			repair(ss.Scope().Version(), ss.Scope().SetVersion)
			repairMap(ss.Scope().Attributes())
			for _, s := range ss.Spans().All() {
				repairSpan(s)
			}
		}
	}
}

func repairSpan(s ptrace.Span) {
	repair(s.Name(), s.SetName)
	repair(s.TraceState().AsRaw(), s.TraceState().FromRaw)
	repair(s.Status().Message(), s.Status().SetMessage)
	repairMap(s.Attributes())
	for _, e := range s.Events().All() {
		repair(e.Name(), e.SetName)
		repairMap(e.Attributes())
	}
	for _, l := range s.Links().All() {
		repair(l.TraceState().AsRaw(), l.TraceState().FromRaw)
		repairMap(l.Attributes())
	}
}

// repairMap makes keys and values UTF-8. A key cannot be changed in place, so a
// map with a bad one is built anew; keys that become equal become one.
func repairMap(m pcommon.Map) {
	bad := false
	for key, v := range m.All() {
		bad = bad || !utf8.ValidString(key)
		repairValue(v)
	}
	if !bad {
		return
	}
	anew := pcommon.NewMap()
	for key, v := range m.All() {
		v.CopyTo(anew.PutEmpty(repaired(key)))
	}
	anew.MoveTo(m)
}

func repairValue(v pcommon.Value) {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		repair(v.Str(), v.SetStr)
	case pcommon.ValueTypeSlice:
		for _, element := range v.Slice().All() {
			repairValue(element)
		}
	case pcommon.ValueTypeMap:
		repairMap(v.Map())
	}
}
