package opencensusreceiver

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
)

// webHandler serves the messages as JSON. What gRPC has of limits, authentication
// and metadata holds here too.
func (s *server) webHandler(ctx context.Context, host component.Host) (http.Handler, error) {
	config := confighttp.NewDefaultServerConfig()
	config.MaxRequestBodySize = int64(s.config.maxMessageBytes())
	config.IncludeMetadata = s.config.Server.IncludeMetadata
	config.Middlewares = s.config.Server.Middlewares
	if auth := s.config.Server.Auth.Get(); auth != nil {
		config.Auth = configoptional.Some(confighttp.AuthConfig{Config: *auth})
	}
	if len(s.config.CORSAllowedOrigins) > 0 {
		config.CORS = configoptional.Some(confighttp.CORSConfig{AllowedOrigins: s.config.CORSAllowedOrigins})
	}
	mux := http.NewServeMux()
	for path, p := range map[string]*part{"POST /v1/trace": s.traces, "POST /v1/metrics": s.metrics} {
		if p != nil {
			mux.HandleFunc(path, p.serveJSON)
		}
	}
	server, err := config.ToServer(ctx, host.GetExtensions(), s.set.TelemetrySettings, mux,
		confighttp.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, message string, code int) {
			writeError(w, code, status.New(codeOf(code), message))
		}))
	if err != nil {
		return nil, err
	}
	return server.Handler, nil
}

// serveJSON reads a request as a stream of messages one behind the other, most
// often a single one.
func (p *part) serveJSON(w http.ResponseWriter, r *http.Request) {
	in := json.NewDecoder(r.Body)
	err := p.follow(r.Context(), p.http, "json", func() (message, error) {
		var text json.RawMessage
		if err := in.Decode(&text); err != nil {
			return nil, unreadable(err)
		}
		m := p.fresh()
		if err := decodeJSON(text, m); err != nil {
			return nil, unreadable(err)
		}
		return m, nil
	})
	if err != nil {
		s := status.Convert(err)
		writeError(w, httpCode(s.Code()), s)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}") // the client has gone, or will see
}

// decodeJSON reads protobuf's JSON. Fields that it does not know are skipped:
// clients have versions of their own.
func decodeJSON(text []byte, m message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, m)
}

// unreadable is an error of reading messages, io.EOF where there are no more.
func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.As(err, &tooLarge):
		return status.Error(codes.OutOfRange, "the request is larger than max_recv_msg_size_mib allows")
	}
	return status.Error(codes.InvalidArgument, "reading JSON: "+err.Error())
}

// httpCode is the HTTP status of a gRPC status.
func httpCode(c codes.Code) int {
	switch c {
	case codes.InvalidArgument, codes.FailedPrecondition:
		return http.StatusBadRequest
	case codes.OutOfRange:
		return http.StatusRequestEntityTooLarge
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.Unavailable, codes.Canceled, codes.Aborted:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// codeOf is the gRPC status of an HTTP status that was answered before a message
// was read.
func codeOf(httpCode int) codes.Code {
	switch httpCode {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusBadRequest, http.StatusUnsupportedMediaType:
		return codes.InvalidArgument
	}
	return codes.Unknown
}

// writeError answers as the gateway of gRPC does: the status as JSON.
func writeError(w http.ResponseWriter, code int, s *status.Status) {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			after := info.GetRetryDelay().AsDuration() + time.Second - 1
			w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
		}
	}
	body, err := json.Marshal(struct {
		Code    codes.Code `json:"code"`
		Message string     `json:"message"`
	}{s.Code(), s.Message()})
	if err != nil {
		code, body = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(body) // the client has gone, or will see
}
