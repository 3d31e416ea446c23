package answer

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// kind names what exporterhelper will do with err.
func kind(err error) string {
	switch {
	case err == nil:
		return "sent"
	case consumererror.IsPermanent(err):
		return "permanent"
	case strings.HasPrefix(err.Error(), "Throttle ("): // its type is not exported
		return "retry later"
	}
	return "retry"
}

func TestGRPC(t *testing.T) {
	later := func(c codes.Code, delay time.Duration) error {
		s, err := status.New(c, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
		if err != nil {
			t.Fatal(err)
		}
		return s.Err()
	}
	f := func(err error, want string) {
		t.Helper()
		if got := kind(GRPC(err)); got != want {
			t.Errorf("GRPC(%v): got %s; want %s", err, got, want)
		}
	}
	f(nil, "sent")
	for _, c := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss} {
		f(status.Error(c, ""), "retry")
	}
	for _, c := range []codes.Code{
		codes.Unknown, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.ResourceExhausted,
		codes.FailedPrecondition, codes.Unimplemented, codes.Internal, codes.Unauthenticated,
	} {
		f(status.Error(c, ""), "permanent")
	}
	f(errors.New("no status"), "permanent")
	f(later(codes.ResourceExhausted, time.Second), "retry later")
	f(later(codes.ResourceExhausted, 0), "retry")
	f(later(codes.Unavailable, time.Second), "retry later")
	f(later(codes.InvalidArgument, time.Second), "permanent")
}

func TestHTTP(t *testing.T) {
	f := func(code int, after, want string) {
		t.Helper()
		r := &http.Response{StatusCode: code, Status: http.StatusText(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("why\n"))}
		if after != "" {
			r.Header.Set("Retry-After", after)
		}
		if got := kind(HTTP(r)); got != want {
			t.Errorf("HTTP status %d, Retry-After %q: got %s; want %s", code, after, got, want)
		}
	}
	f(200, "", "sent")
	f(202, "", "sent")
	f(302, "", "permanent")
	f(400, "", "permanent")
	f(404, "5", "permanent")
	f(500, "", "permanent")
	f(429, "", "retry")
	f(502, "", "retry")
	f(503, "7", "retry later")
	f(503, "soon", "retry")
	f(503, "-1", "retry")
	f(504, "Fri, 31 Dec 2999 23:59:59 GMT", "retry later")
	f(504, "Fri, 31 Dec 1999 23:59:59 GMT", "retry")
}

// What the peer says reaches the log, and no more of it than fits.
func TestHTTPReason(t *testing.T) {
	r := &http.Response{StatusCode: 400, Status: "400 Bad Request", Body: io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20)))}
	if got, want := HTTP(r).Error(), "Permanent error: HTTP status 400 Bad Request: "+strings.Repeat("x", maxReason); got != want {
		t.Errorf("got %.100q, %d bytes; want %d bytes", got, len(got), len(want))
	}
}
