package otlpreceiver

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/signalbox-otel/signalbox/internal/ingest"
)

// refusal is what the sender is told of err, by the rules of the collector's
// receiver: an error without a status is one after which to try again, unless it
// is permanent.
func refusal(err error) *status.Status {
	var malformed *ingest.MalformedError
	if errors.As(err, &malformed) {
		return status.New(codes.InvalidArgument, err.Error())
	}
	if errors.Is(err, ingest.ErrNoRoom) {
		return noRoom()
	}
	if s, ok := status.FromError(err); ok {
		return s
	}
	if consumererror.IsPermanent(err) {
		return status.New(codes.Internal, err.Error())
	}
	return status.New(codes.Unavailable, err.Error())
}

// httpCode is the status over HTTP that means the same (OTLP specification,
// "Failures").
func httpCode(c codes.Code) int {
	switch c {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		return http.StatusServiceUnavailable
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Unauthenticated:
		return http.StatusUnauthorized
	case codes.PermissionDenied:
		return http.StatusForbidden
	case codes.Unimplemented:
		return http.StatusNotFound
	}
	return http.StatusInternalServerError
}

// refuse answers a request that was not taken, in the form that it had.
func refuse(w http.ResponseWriter, req *http.Request, s *status.Status) {
	code := httpCode(s.Code())
	for _, detail := range s.Details() {
		if again, ok := detail.(*errdetails.RetryInfo); ok && (code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests) {
			w.Header().Set("Retry-After", strconv.FormatInt(int64(again.GetRetryDelay().AsDuration()/time.Second), 10))
		}
	}
	form, marshal := protobuf, proto.Marshal
	if contentType(req) != protobuf {
		form, marshal = inJSON, protojson.Marshal
	}
	body, err := marshal(s.Proto())
	if err != nil { // by text that is no UTF-8, which may be of the request
		body = nil
	}
	answer(w, code, form, body)
}

func answer(w http.ResponseWriter, code int, form string, body []byte) {
	w.Header().Set("Content-Type", form)
	w.WriteHeader(code)
	_, _ = w.Write(body) // nobody is there any more when it fails
}
