package opencensusreceiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	agentmetricspb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/metrics/v1"
	agenttracepb "github.com/census-instrumentation/opencensus-proto/gen-go/agent/trace/v1"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// readHeaderTimeout is how long a client may take for the head of a request.
const readHeaderTimeout = 20 * time.Second

// server is one port, for the pipelines that have a receiver of one
// configuration. Each of them starts and ends it; the first time counts.
type server struct {
	set             receiver.Settings
	config          *Config
	traces, metrics *part // nil where no pipeline has the signal

	starting, ending sync.Once
	startErr, endErr error

	grpc    *grpc.Server
	http    *http.Server
	serving sync.WaitGroup
	address string          // where it listens
	stop    func()          // ends running
	running context.Context // streams end when it is done
}

func newServer(set receiver.Settings, config *Config) *server {
	s := &server{set: set, config: config}
	s.running, s.stop = context.WithCancel(context.Background())
	return s
}

// Start opens the port.
func (s *server) Start(ctx context.Context, host component.Host) error {
	s.starting.Do(func() { s.startErr = s.start(ctx, host) })
	return s.startErr
}

func (s *server) start(ctx context.Context, host component.Host) error {
	if keys := s.config.idle(); len(keys) > 0 {
		s.set.Logger.Warn("settings have no effect on this receiver", zap.Strings("keys", keys))
	}
	var err error
	if s.grpc, err = s.config.Server.ToServer(ctx, host.GetExtensions(), s.set.TelemetrySettings); err != nil {
		return fmt.Errorf("preparing gRPC: %w", err)
	}
	if s.traces != nil {
		agenttracepb.RegisterTraceServiceServer(s.grpc, &traceService{server: s})
	}
	if s.metrics != nil {
		agentmetricspb.RegisterMetricsServiceServer(s.grpc, &metricsService{server: s})
	}
	web, err := s.webHandler(ctx, host)
	if err != nil {
		return fmt.Errorf("preparing HTTP: %w", err)
	}
	listener, err := s.config.Server.NetAddr.Listen(ctx)
	if err != nil {
		return err
	}
	s.address = listener.Addr().String()
	serve := func() error { return s.http.Serve(listener) }
	s.http = s.httpServer(web)
	if s.config.Server.TLS.HasValue() {
		if s.http.TLSConfig, err = s.config.Server.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return errors.Join(err, listener.Close())
		}
		serve = func() error { return s.http.ServeTLS(listener, "", "") }
	}
	s.serving.Go(func() {
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			componentstatus.ReportStatus(host, componentstatus.NewFatalErrorEvent(fmt.Errorf("serving OpenCensus clients: %w", err)))
		}
	})
	return nil
}

// httpServer is the server of the port, gRPC's settings translated as far as
// they have a meaning there.
func (s *server) httpServer(web http.Handler) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	h := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isGRPC(r) {
				s.serveGRPC(w, r)
			} else {
				web.ServeHTTP(w, r)
			}
		}),
		Protocols:         protocols,
		ReadHeaderTimeout: readHeaderTimeout,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: int(s.config.Server.MaxConcurrentStreams)},
		ErrorLog:          zap.NewStdLog(s.set.Logger),
	}
	if keepalive := s.config.Server.Keepalive.Get(); keepalive != nil {
		if p := keepalive.ServerParameters.Get(); p != nil {
			h.IdleTimeout = p.MaxConnectionIdle
			h.HTTP2.SendPingTimeout, h.HTTP2.PingTimeout = p.Time, p.Timeout
		}
	}
	return h
}

// isGRPC says whether a request is for the gRPC server.
func isGRPC(r *http.Request) bool {
	const grpcType = "application/grpc"
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), grpcType)
	return ok && r.ProtoMajor == 2 && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// serveGRPC serves one stream. That its client goes does not cancel it: clients
// send, close and exit, and the messages before the end are still to be passed
// on. The end of the body ends the stream, and so does the server's.
func (s *server) serveGRPC(w http.ResponseWriter, r *http.Request) {
	p := newPace(r.Body, s.config.maxMessageBytes())
	defer s.interruptible(w)()
	r = r.WithContext(withPace(context.WithoutCancel(r.Context()), p))
	r.Body = p
	s.grpc.ServeHTTP(w, r)
}

// interruptible ends the reading of a request's body when the server stops. What
// it returns must be called before the request's handler returns: w is of no use
// after that, not even to ask.
func (s *server) interruptible(w http.ResponseWriter) (done func()) {
	var mu sync.Mutex
	over := false
	stop := context.AfterFunc(s.running, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // HTTP/2 always can
		}
	})
	return func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
	}
}

// Shutdown closes the port and returns when the streams have passed on the
// message they are at, or ctx is done.
func (s *server) Shutdown(ctx context.Context) error {
	s.ending.Do(func() {
		s.stop()
		if s.http == nil {
			return
		}
		if s.endErr = s.http.Shutdown(ctx); s.endErr != nil {
			s.endErr = errors.Join(s.endErr, s.http.Close())
		}
		s.grpc.Stop()
		s.serving.Wait()
	})
	return s.endErr
}

// followGRPC follows a stream of the gRPC server.
func (s *server) followGRPC(p *part, stream grpc.ServerStream) error {
	pace := paceOf(stream.Context())
	return p.follow(stream.Context(), p.grpc, "protobuf", func() (message, error) {
		m := p.fresh()
		if err := stream.RecvMsg(m); err != nil {
			if s.running.Err() != nil {
				err = status.Error(codes.Unavailable, "the receiver is stopping")
			}
			return nil, err
		}
		pace.taken()
		return m, nil
	})
}

// traceService is the gRPC service for spans.
type traceService struct {
	agenttracepb.UnimplementedTraceServiceServer
	server *server
}

// Export receives one client's spans.
func (t *traceService) Export(stream agenttracepb.TraceService_ExportServer) error {
	return t.server.followGRPC(t.server.traces, stream)
}

// Config is not implemented, as in no collector, and clients go on without. It
// says so only after the message that they begin with: the client for Go takes
// it for a broken connection when it cannot send that, connects anew and drops
// what is ended meanwhile.
func (t *traceService) Config(stream agenttracepb.TraceService_ConfigServer) error {
	if _, err := stream.Recv(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return status.Error(codes.Unimplemented, "there is no configuration to send")
}

// metricsService is the gRPC service for metrics.
type metricsService struct {
	agentmetricspb.UnimplementedMetricsServiceServer
	server *server
}

// Export receives one client's metrics.
func (m *metricsService) Export(stream agentmetricspb.MetricsService_ExportServer) error {
	return m.server.followGRPC(m.server.metrics, stream)
}
