package wire

import (
	"reflect"
	"sync"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// perScope is how many records one scope of a placeholder has at most. They are
// all one record, so that a placeholder costs a few pointers.
const perScope = 4096

// Shell knows the struct behind pdata's requests of one signal, which gRPC hands
// to its codec before it is a request of pdata. Its type is internal to pdata,
// but its fields are not: they are reached by reflection. TestShell fails when a
// release of pdata lays them out in another way.
type Shell struct {
	// Type is what gRPC decodes such requests into: a pointer to the struct.
	Type reflect.Type

	resources, scopes, records string // names of fields

	shared reflect.Value // perScope pointers to one empty record
	full   reflect.Value // pointer to a scope that has them all
}

// The shells of the signals.
var (
	Spans = sync.OnceValue(func() *Shell {
		return newShell(reflect.TypeFor[ptraceotlp.ExportRequest](), "ResourceSpans", "ScopeSpans", "Spans")
	})
	Logs = sync.OnceValue(func() *Shell {
		return newShell(reflect.TypeFor[plogotlp.ExportRequest](), "ResourceLogs", "ScopeLogs", "LogRecords")
	})
	Metrics = sync.OnceValue(func() *Shell {
		return newShell(reflect.TypeFor[pmetricotlp.ExportRequest](), "ResourceMetrics", "ScopeMetrics", "Metrics")
	})
)

func newShell(request reflect.Type, resources, scopes, records string) *Shell {
	s := &Shell{Type: request.Field(0).Type, resources: resources, scopes: scopes, records: records}
	full := s.newScope()
	slot := full.Elem().FieldByName(records)
	s.shared = reflect.MakeSlice(slot.Type(), perScope, perScope)
	one := reflect.New(slot.Type().Elem().Elem())
	for i := range perScope {
		s.shared.Index(i).Set(one)
	}
	slot.Set(s.shared)
	s.full = full
	return s
}

func (s *Shell) newResource() reflect.Value {
	field, _ := s.Type.Elem().FieldByName(s.resources)
	return reflect.New(field.Type.Elem().Elem())
}

func (s *Shell) newScope() reflect.Value {
	field, _ := s.newResource().Type().Elem().FieldByName(s.scopes)
	return reflect.New(field.Type.Elem().Elem())
}

// Fill makes request, which is of s.Type, a placeholder of n records.
func (s *Shell) Fill(request any, n int) { s.fill(reflect.ValueOf(request), n) }

func (s *Shell) fill(request reflect.Value, n int) {
	resource := s.newResource()
	slot := resource.Elem().FieldByName(s.scopes)
	scopes := reflect.MakeSlice(slot.Type(), 0, n/perScope+1)
	for ; n >= perScope; n -= perScope {
		scopes = reflect.Append(scopes, s.full)
	}
	if n > 0 {
		rest := s.newScope()
		rest.Elem().FieldByName(s.records).Set(s.shared.Slice3(0, n, n))
		scopes = reflect.Append(scopes, rest)
	}
	slot.Set(scopes)
	s.hold(request, resource)
}

// hold makes resource the only one of request.
func (s *Shell) hold(request, resource reflect.Value) {
	slot := request.Elem().FieldByName(s.resources)
	slot.Set(reflect.Append(reflect.Zero(slot.Type()), resource))
}

// Stash puts v into request, which is of s.Type, where Stashed finds it. gRPC
// gives its codec nothing else that the call after it gets too.
func (s *Shell) Stash(request, v any) {
	resource := s.newResource()
	slot := resource.Elem().FieldByName("Resource").FieldByName("Attributes")
	attributes := reflect.MakeSlice(slot.Type(), 1, 1)
	content(attributes).Set(reflect.ValueOf(v))
	slot.Set(attributes)
	s.hold(reflect.ValueOf(request), resource)
}

// Stashed takes what Stash put into request; nil when there is nothing.
func (s *Shell) Stashed(request any) any {
	slot := reflect.ValueOf(request).Elem().FieldByName(s.resources)
	if slot.Len() != 1 || slot.Index(0).IsNil() {
		return nil
	}
	attributes := slot.Index(0).Elem().FieldByName("Resource").FieldByName("Attributes")
	if attributes.Len() != 1 {
		return nil
	}
	v := content(attributes).Interface()
	slot.SetZero()
	return v
}

// content is the value of the first attribute, which pdata has as an interface.
func content(attributes reflect.Value) reflect.Value {
	return attributes.Index(0).FieldByName("Value").FieldByName("Value")
}

// Traces is a placeholder of n spans.
func Traces(n int) ptrace.Traces {
	request := ptraceotlp.NewExportRequest()
	Spans().fill(inside(request), n)
	return request.Traces()
}

// LogRecords is a placeholder of n log records.
func LogRecords(n int) plog.Logs {
	request := plogotlp.NewExportRequest()
	Logs().fill(inside(request), n)
	return request.Logs()
}

// inside is the pointer to the struct behind a request of pdata.
func inside(request any) reflect.Value {
	pointer := reflect.ValueOf(request).Field(0)
	return reflect.NewAt(pointer.Type().Elem(), pointer.UnsafePointer())
}
