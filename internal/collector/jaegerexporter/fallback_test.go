package jaegerexporter

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlpexporter"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// fallingBack is the factory of the OTLP exporter, whose exporters fall back.
func fallingBack() exporter.Factory {
	f := otlpexporter.NewFactory()
	all := map[component.Type]exporter.Factory{f.Type(): f, NewFactory().Type(): NewFactory()}
	FallBack(all)
	return all[f.Type()]
}

// The exporter finds out which protocol the peer knows, once, and again when
// that changes. An error is OTLP's.
func TestFallBack(t *testing.T) {
	t.Parallel()
	const otlp, jaeger = exportTraces, "/jaeger.api_v2.CollectorService/PostSpans"
	var knows atomic.Value // a method
	calls := make(chan string, 10)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		calls <- method
		if method != knows.Load() {
			return status.Error(codes.Unimplemented, "unknown "+method)
		}
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return stream.SendMsg(&emptypb.Empty{})
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	s := startExporter(t, fallingBack(), direct(l.Addr().String()))
	for _, step := range []struct {
		knows string
		calls []string
	}{
		{jaeger, []string{otlp, jaeger}},
		{jaeger, []string{jaeger}},
		{otlp, []string{jaeger, otlp}},
		{otlp, []string{otlp}},
		{"", []string{otlp, jaeger}},
	} {
		knows.Store(step.knows)
		err := s.ConsumeTraces(t.Context(), plain(1, "shop"))
		if step.knows != "" && err != nil {
			t.Errorf("where the peer knows %s: %v", step.knows, err)
		}
		if step.knows == "" && (!consumererror.IsPermanent(err) || !strings.Contains(err.Error(), "unknown "+otlp)) {
			t.Errorf("where the peer knows nothing: got %v; want OTLP's error, permanent", err)
		}
		var got []string
		for len(calls) > 0 {
			got = append(got, <-calls)
		}
		if diff := cmp.Diff(step.calls, got); diff != "" {
			t.Errorf("calls where the peer knows %q (-want +got):\n%s", step.knows, diff)
		}
	}
}

// reportingHost has an extension, and remembers statuses.
type reportingHost struct {
	extensions map[component.ID]component.Component
	statuses   []componentstatus.Status
}

func (h *reportingHost) GetExtensions() map[component.ID]component.Component { return h.extensions }
func (h *reportingHost) Report(e *componentstatus.Event)                     { h.statuses = append(h.statuses, e.Status()) }

// Beside its fallback an exporter has all that its host gives: extensions that
// authenticate or store, and somebody who hears of its status.
func TestFallBackKeepsTheHost(t *testing.T) {
	id := component.MustNewID("basicauth")
	h := &reportingHost{extensions: map[component.ID]component.Component{id: nil}}
	f := fallbackHost{h, &fallback{}}
	all := f.GetExtensions()
	if _, ok := all[id]; !ok || all[fallbackID] != component.Component(f.fallback) || len(h.extensions) != 1 {
		t.Errorf("got %v; want the host's and the fallback", all)
	}
	componentstatus.ReportStatus(f, componentstatus.NewEvent(componentstatus.StatusOK))
	if diff := cmp.Diff([]componentstatus.Status{componentstatus.StatusOK}, h.statuses); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}
