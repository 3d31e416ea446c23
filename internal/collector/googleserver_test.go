package collector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"cloud.google.com/go/monitoring/apiv3/v2/monitoringpb"
	"cloud.google.com/go/trace/apiv2/tracepb"
	"google.golang.org/genproto/googleapis/api/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// google implements the services of Google Cloud that exporters call, by their
// published definitions. A call of anything else fails the test.
type google struct {
	addr     string
	tokens   chan string // what each call had as authorization, "" for nothing
	traces   chan *tracepb.BatchWriteSpansRequest
	series   chan *monitoringpb.CreateTimeSeriesRequest
	service  chan *monitoringpb.CreateTimeSeriesRequest
	descrips chan *monitoringpb.CreateMetricDescriptorRequest
	logs     chan *loggingpb.WriteLogEntriesRequest
}

// The services of Google Cloud, and which calls of google they are.
type (
	cloudTrace struct {
		tracepb.UnimplementedTraceServiceServer
		*google
	}
	cloudMonitoring struct {
		monitoringpb.UnimplementedMetricServiceServer
		*google
	}
	cloudLogging struct {
		loggingpb.UnimplementedLoggingServiceV2Server
		*google
	}
)

// startGoogle serves on a port of localhost.
func startGoogle(t *testing.T, options ...grpc.ServerOption) *google {
	t.Helper()
	const room = 1000 // for calls that no test waits for
	g := &google{
		tokens:   make(chan string, room),
		traces:   make(chan *tracepb.BatchWriteSpansRequest, room),
		series:   make(chan *monitoringpb.CreateTimeSeriesRequest, room),
		service:  make(chan *monitoringpb.CreateTimeSeriesRequest, room),
		descrips: make(chan *monitoringpb.CreateMetricDescriptorRequest, room),
		logs:     make(chan *loggingpb.WriteLogEntriesRequest, room),
	}
	server := grpc.NewServer(append(options,
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(stream)
			t.Errorf("call of %s, which no server of Google's has here", method)
			return status.Error(codes.Unimplemented, method)
		}),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, call *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			g.tokens <- strings.Join(md.Get("authorization"), ",")
			answer, err := handler(ctx, req)
			if err != nil {
				t.Errorf("call of %s: %v", call.FullMethod, err)
			}
			return answer, err
		}))...)
	tracepb.RegisterTraceServiceServer(server, cloudTrace{google: g})
	monitoringpb.RegisterMetricServiceServer(server, cloudMonitoring{google: g})
	loggingpb.RegisterLoggingServiceV2Server(server, cloudLogging{google: g})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.addr = l.Addr().String()
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return g
}

func (g cloudTrace) BatchWriteSpans(_ context.Context, r *tracepb.BatchWriteSpansRequest) (*emptypb.Empty, error) {
	g.traces <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateTimeSeries(_ context.Context, r *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	g.series <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateServiceTimeSeries(_ context.Context, r *monitoringpb.CreateTimeSeriesRequest) (*emptypb.Empty, error) {
	g.service <- r
	return &emptypb.Empty{}, nil
}

func (g cloudMonitoring) CreateMetricDescriptor(_ context.Context, r *monitoringpb.CreateMetricDescriptorRequest) (*metric.MetricDescriptor, error) {
	g.descrips <- r
	return r.MetricDescriptor, nil
}

func (g cloudLogging) WriteLogEntries(_ context.Context, r *loggingpb.WriteLogEntriesRequest) (*loggingpb.WriteLogEntriesResponse, error) {
	g.logs <- r
	return &loggingpb.WriteLogEntriesResponse{}, nil
}

// next waits for the next call.
func next[T any](t *testing.T, what string, calls <-chan T, c *process) T {
	t.Helper()
	select {
	case call := <-calls:
		return call
	case <-time.After(time.Minute):
		t.Fatalf("no %s within a minute; the collector says:\n%s", what, c.log())
	case <-c.ended:
		t.Fatalf("waiting for %s: the collector ended; it says:\n%s", what, c.log())
	}
	panic("unreachable")
}

// startMetadata serves what the metadata server of Google Cloud does on a node
// of a cluster, and gives its address.
func startMetadata(t *testing.T) string {
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

// internet is what a collector finds behind its proxy: Google, with certificates
// that it trusts.
type internet struct {
	google *google
	proxy  string // address
	roots  string // file of certificates
	mu     sync.Mutex
	hosts  map[string]bool // that were asked for
}

func startInternet(t *testing.T) *internet {
	t.Helper()
	certificate, roots := certificateFor(t, "*.googleapis.com")
	in := &internet{roots: roots, hosts: map[string]bool{}}
	in.google = startGoogle(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
	})))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || !strings.HasSuffix(r.Host, ".googleapis.com:443") {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		in.mu.Lock()
		in.hosts[r.Host] = true
		in.mu.Unlock()
		in.tunnel(t, w)
	}))
	t.Cleanup(proxy.Close)
	in.proxy = proxy.URL
	return in
}

// tunnel joins a connection to the proxy with one to Google.
func (in *internet) tunnel(t *testing.T, w http.ResponseWriter) {
	to, err := net.Dial("tcp", in.google.addr)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(to, buffered)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
	from.Close()
}

// asked reports whether a host was asked for.
func (in *internet) asked(host string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.hosts[host+":443"]
}

// certificateFor makes a certificate for a name, and a file of the authority
// that signed it.
func certificateFor(t *testing.T, name string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
