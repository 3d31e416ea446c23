// Package googletest serves what the exporters for Google Cloud and the detector
// of its nodes talk to: Cloud Trace, Monitoring and Logging by their published
// definitions, the metadata server of a node, and an Internet in which Google has
// its own names.
//
// It stands at the end of a test's collector, in the test's process; what was
// called is in channels.
//
// Invariant: a call of anything that Google does not have here, and one that it
// would refuse, fails the test.
package googletest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/trace/apiv2/tracepb"
	"google.golang.org/genproto/googleapis/api/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Google is one server with all the services, and the calls that it had.
type Google struct {
	Addr          string
	Tokens        chan string // what each call had as authorization, "" for nothing
	Traces        chan *tracepb.BatchWriteSpansRequest
	Series        chan *monitoringpb.CreateTimeSeriesRequest
	ServiceSeries chan *monitoringpb.CreateTimeSeriesRequest // of CreateServiceTimeSeries
	Descriptors   chan *monitoringpb.CreateMetricDescriptorRequest
	Logs          chan *loggingpb.WriteLogEntriesRequest
}

// The services of Google Cloud, and which calls of Google they are.
type (
	cloudTrace struct {
		tracepb.UnimplementedTraceServiceServer
		*Google
	}
	cloudMonitoring struct {
		monitoringpb.UnimplementedMetricServiceServer
		*Google
	}
	cloudLogging struct {
		loggingpb.UnimplementedLoggingServiceV2Server
		*Google
	}
)

// Start serves on a port of localhost until the test ends.
func Start(t *testing.T, options ...grpc.ServerOption) *Google {
	t.Helper()
	const room = 1000 // for calls that no test waits for
	g := &Google{
		Tokens:        make(chan string, room),
		Traces:        make(chan *tracepb.BatchWriteSpansRequest, room),
		Series:        make(chan *monitoringpb.CreateTimeSeriesRequest, room),
		ServiceSeries: make(chan *monitoringpb.CreateTimeSeriesRequest, room),
		Descriptors:   make(chan *monitoringpb.CreateMetricDescriptorRequest, room),
		Logs:          make(chan *loggingpb.WriteLogEntriesRequest, room),
	}
	server := grpc.NewServer(append(options,
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(stream)
			t.Errorf("call of %s, which no server of Google's has here", method)
			return status.Error(codes.Unimplemented, method)
		}),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, call *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			g.Tokens <- strings.Join(md.Get("authorization"), ",")
			answer, err := handler(ctx, req)
			if err != nil {
				t.Errorf("call of %s: %v", call.FullMethod, err)
			}
			return answer, err
		}))...)
	tracepb.RegisterTraceServiceServer(server, cloudTrace{Google: g})
	monitoringpb.RegisterMetricServiceServer(server, cloudMonitoring{Google: g})
	loggingpb.RegisterLoggingServiceV2Server(server, cloudLogging{Google: g})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.Addr = l.Addr().String()
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return g
}

func (g cloudTrace) BatchWriteSpans(_ context.Context, r *tracepb.BatchWriteSpansRequest) (*emptypb.Empty, error) {
	g.Traces <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateTimeSeries(_ context.Context, r *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	g.Series <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateServiceTimeSeries(_ context.Context, r *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	g.ServiceSeries <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateMetricDescriptor(_ context.Context, r *monitoringpb.CreateMetricDescriptorRequest) (*metric.MetricDescriptor, error) {
	g.Descriptors <- r
	return r.MetricDescriptor, nil
}

func (g cloudLogging) WriteLogEntries(_ context.Context, r *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	g.Logs <- r
	return &loggingpb.WriteLogEntriesResponse{}, nil
}

// StartMetadata serves what the metadata server of Google Cloud does on a node
// of a cluster, and gives its address.
func StartMetadata(t *testing.T) string {
	t.Helper()
	values := map[string]string{
		"project/project-id":                      "my-project",
		"instance/id":                             "4711",
		"instance/name":                           "gke-node-1",
		"instance/hostname":                       "gke-node-1.c.my-project.internal",
		"instance/zone":                           "projects/1/zones/asia-east1-c",
		"instance/machine-type":                   "projects/1/machineTypes/e2-standard-4",
		"instance/attributes/cluster-name":        "workshop",
		"instance/attributes/cluster-location":    "asia-east1-c",
		"universe/universe-domain":                "googleapis.com",
		"instance/service-accounts/default/":      `{"aliases":["default"],"email":"otel@my-project.iam.gserviceaccount.com","scopes":["https://www.googleapis.com/auth/cloud-platform"]}`,
		"instance/service-accounts/default/email": "otel@my-project.iam.gserviceaccount.com",
		"instance/service-accounts/default/token": `{"access_token":"of-the-node","expires_in":3600,"token_type":"Bearer"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		value, ok := values[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if strings.HasPrefix(value, "{") {
			w.Header().Set("Content-Type", "application/json")
		}
		fmt.Fprint(w, value)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
