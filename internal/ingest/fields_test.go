package ingest

import (
	"testing"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wireTypes are those of the kinds that OTLP uses.
var wireTypes = map[protoreflect.Kind]tag{
	protoreflect.StringKind:  wireLen,
	protoreflect.BytesKind:   wireLen,
	protoreflect.MessageKind: wireLen,
	protoreflect.BoolKind:    wireVarint,
	protoreflect.EnumKind:    wireVarint,
	protoreflect.Int32Kind:   wireVarint,
	protoreflect.Int64Kind:   wireVarint,
	protoreflect.Uint32Kind:  wireVarint,
	protoreflect.Fixed32Kind: wireI32,
	protoreflect.Fixed64Kind: wireI64,
	protoreflect.DoubleKind:  wireI64,
}

// TestFieldsMatchDescriptors fails when a release of OTLP adds a field that we
// would drop without having decided so.
func TestFieldsMatchDescriptors(t *testing.T) {
	check := func(m proto.Message, known fields, tags map[string]tag) {
		t.Helper()
		d := m.ProtoReflect().Descriptor()
		var want fields
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			want |= declared(uint64(f.Number()))
			wire, ok := wireTypes[f.Kind()]
			if !ok {
				t.Errorf("%s: no wire type known for kind %s", f.FullName(), f.Kind())
			}
			if got, want := tags[string(f.Name())], tag(f.Number())<<3|wire; got != want {
				t.Errorf("%s: tag %d; want %d", f.FullName(), got, want)
			}
		}
		if known != want {
			t.Errorf("%s: declared fields %b; want %b", d.FullName(), known, want)
		}
	}
	check(&collectortrace.ExportTraceServiceRequest{}, requestFields, map[string]tag{
		"resource_spans": requestRecords<<3 | wireLen})
	check(&collectorlogs.ExportLogsServiceRequest{}, requestFields, map[string]tag{
		"resource_logs": requestRecords<<3 | wireLen})
	check(&trace.ResourceSpans{}, resourceRecordsFields, map[string]tag{
		"resource":    resourceRecordsResource<<3 | wireLen,
		"scope_spans": resourceRecordsScopes<<3 | wireLen,
		"schema_url":  resourceRecordsSchemaURL<<3 | wireLen})
	check(&logs.ResourceLogs{}, resourceRecordsFields, map[string]tag{
		"resource":   resourceRecordsResource<<3 | wireLen,
		"scope_logs": resourceRecordsScopes<<3 | wireLen,
		"schema_url": resourceRecordsSchemaURL<<3 | wireLen})
	check(&trace.ScopeSpans{}, scopeRecordsFields, map[string]tag{
		"scope":      scopeRecordsScope<<3 | wireLen,
		"spans":      scopeRecordsRecords<<3 | wireLen,
		"schema_url": scopeRecordsSchemaURL<<3 | wireLen})
	check(&logs.ScopeLogs{}, scopeRecordsFields, map[string]tag{
		"scope":       scopeRecordsScope<<3 | wireLen,
		"log_records": scopeRecordsRecords<<3 | wireLen,
		"schema_url":  scopeRecordsSchemaURL<<3 | wireLen})
	check(&resource.Resource{}, resourceFields, map[string]tag{
		"attributes":               resourceAttrs<<3 | wireLen,
		"dropped_attributes_count": resourceDroppedAttrs<<3 | wireVarint,
		"entity_refs":              resourceEntityRefs<<3 | wireLen})
	check(&common.EntityRef{}, entityFields, map[string]tag{
		"schema_url":       entitySchemaURL<<3 | wireLen,
		"type":             entityType<<3 | wireLen,
		"id_keys":          entityIDKeys<<3 | wireLen,
		"description_keys": entityDescKeys<<3 | wireLen})
	check(&common.InstrumentationScope{}, scopeFields, map[string]tag{
		"name":                     scopeName<<3 | wireLen,
		"version":                  scopeVersion<<3 | wireLen,
		"attributes":               scopeAttrs<<3 | wireLen,
		"dropped_attributes_count": scopeDroppedAttrs<<3 | wireVarint})
	check(&trace.Span{}, spanFields, map[string]tag{
		"trace_id":                 spanTraceID<<3 | wireLen,
		"span_id":                  spanSpanID<<3 | wireLen,
		"trace_state":              spanTraceState<<3 | wireLen,
		"parent_span_id":           spanParentID<<3 | wireLen,
		"name":                     spanName<<3 | wireLen,
		"kind":                     spanKind<<3 | wireVarint,
		"start_time_unix_nano":     spanStart<<3 | wireI64,
		"end_time_unix_nano":       spanEnd<<3 | wireI64,
		"attributes":               spanAttrs<<3 | wireLen,
		"dropped_attributes_count": spanDroppedAttrs<<3 | wireVarint,
		"events":                   spanEvents<<3 | wireLen,
		"dropped_events_count":     spanDroppedEvents<<3 | wireVarint,
		"links":                    spanLinks<<3 | wireLen,
		"dropped_links_count":      spanDroppedLinks<<3 | wireVarint,
		"status":                   spanStatus<<3 | wireLen,
		"flags":                    spanFlags<<3 | wireI32})
	check(&trace.Span_Event{}, eventFields, map[string]tag{
		"time_unix_nano":           eventTime<<3 | wireI64,
		"name":                     eventName<<3 | wireLen,
		"attributes":               eventAttrs<<3 | wireLen,
		"dropped_attributes_count": eventDroppedAttrs<<3 | wireVarint})
	check(&trace.Span_Link{}, linkFields, map[string]tag{
		"trace_id":                 linkTraceID<<3 | wireLen,
		"span_id":                  linkSpanID<<3 | wireLen,
		"trace_state":              linkTraceState<<3 | wireLen,
		"attributes":               linkAttrs<<3 | wireLen,
		"dropped_attributes_count": linkDroppedAttrs<<3 | wireVarint,
		"flags":                    linkFlags<<3 | wireI32})
	check(&trace.Status{}, statusFields, map[string]tag{
		"message": statusMessage<<3 | wireLen,
		"code":    statusCode<<3 | wireVarint})
	check(&logs.LogRecord{}, logFields, map[string]tag{
		"time_unix_nano":           logTime<<3 | wireI64,
		"observed_time_unix_nano":  logObservedTime<<3 | wireI64,
		"severity_number":          logSeverityNumber<<3 | wireVarint,
		"severity_text":            logSeverityText<<3 | wireLen,
		"body":                     logBody<<3 | wireLen,
		"attributes":               logAttrs<<3 | wireLen,
		"dropped_attributes_count": logDroppedAttrs<<3 | wireVarint,
		"flags":                    logFlags<<3 | wireI32,
		"trace_id":                 logTraceID<<3 | wireLen,
		"span_id":                  logSpanID<<3 | wireLen,
		"event_name":               logEventName<<3 | wireLen})
	check(&common.KeyValue{}, keyValueFields, map[string]tag{
		"key":          keyValueKey<<3 | wireLen,
		"value":        keyValueValue<<3 | wireLen,
		"key_strindex": keyValueStrindex<<3 | wireVarint})
	check(&common.AnyValue{}, valueFields, map[string]tag{
		"string_value":          valueString<<3 | wireLen,
		"bool_value":            valueBool<<3 | wireVarint,
		"int_value":             valueInt<<3 | wireVarint,
		"double_value":          valueDouble<<3 | wireI64,
		"array_value":           valueArray<<3 | wireLen,
		"kvlist_value":          valueMap<<3 | wireLen,
		"bytes_value":           valueBytes<<3 | wireLen,
		"string_value_strindex": valueStrindex<<3 | wireVarint})
	check(&common.ArrayValue{}, listFields, map[string]tag{"values": listValues<<3 | wireLen})
	check(&common.KeyValueList{}, listFields, map[string]tag{"values": listValues<<3 | wireLen})
}
