// Package answer reads from a peer's answer whether to send the same again: a
// gRPC status or an HTTP status becomes an error that the collector's queue and
// retry understand.
//
// Exporters of ours whose peers are not OTLP use it on what they get back; it
// stands between them and exporterhelper. The rules are those of the OTLP
// exporters, so that one dashboard and one expectation fit all.
//
// Invariant: no answer is neither: an error is permanent, or is retried, with
// the peer's delay where it named one.
package answer

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// GRPC is what err, of a gRPC call, means for what was sent: nil, a permanent
// error, or one after which to send it again.
func GRPC(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	var info *errdetails.RetryInfo
	for _, detail := range s.Details() {
		if d, ok := detail.(*errdetails.RetryInfo); ok {
			info = d
		}
	}
	switch s.Code() {
	case codes.OK:
		return nil
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
	case codes.ResourceExhausted:
		// Without a delay it means a limit that the same request meets again.
		if info == nil {
			return consumererror.NewPermanent(err)
		}
	default:
		return consumererror.NewPermanent(err)
	}
	if delay := info.GetRetryDelay().AsDuration(); delay > 0 {
		return exporterhelper.NewThrottleRetry(err, delay)
	}
	return err
}

// maxReason bounds what is read of a body that says why.
const maxReason = 1024

// HTTP is what an answer over HTTP means for what was sent. It reads from the
// body, which the caller closes.
func HTTP(r *http.Response) error {
	reason, readErr := io.ReadAll(io.LimitReader(r.Body, maxReason))
	if r.StatusCode >= 200 && r.StatusCode <= 299 {
		return nil
	}
	err := fmt.Errorf("HTTP status %s", r.Status)
	if text := strings.TrimSpace(strings.ToValidUTF8(string(reason), "")); text != "" && readErr == nil {
		err = fmt.Errorf("%w: %s", err, text)
	}
	switch r.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
	default:
		return consumererror.NewPermanent(err)
	}
	if delay := retryAfter(r.Header.Get("Retry-After"), time.Now()); delay > 0 {
		return exporterhelper.NewThrottleRetry(err, delay)
	}
	return err
}

// retryAfter reads the header of that name: seconds or a date; 0 when it says
// nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(header); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
