package ledger

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"

	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter/exporterhelper"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The reasons of losses. docs/observability.md says what each means.
const (
	MemoryLimit    = "memory_limit"
	QueueFull      = "queue_full"
	DiskFull       = "disk_full"
	Shutdown       = "shutdown"
	NotStarted     = "not_started"
	Timeout        = "timeout"
	Canceled       = "canceled"
	Unreachable    = "unreachable"
	Unavailable    = "unavailable"
	TLS            = "tls"
	Protocol       = "protocol"
	Unauthorized   = "unauthorized"
	Unimplemented  = "unimplemented"
	Throttled      = "throttled"
	TooLarge       = "too_large"
	Rejected       = "rejected"
	PartialSuccess = "partial_success"
	Corrupt        = "corrupt"
	Other          = "other"

	Filtered = "filtered"
	Sampled  = "sampled"
	NoDelta  = "no_delta"
)

// said are reasons by what errors say whose types nobody can see: those of other
// modules' internals, and those that came over the network as text. The first
// that is found counts, so what is certain stands before what is likely.
var said = []struct{ text, reason string }{
	{"data refused due to high memory usage", MemoryLimit},
	{"sending queue is full", QueueFull},
	{"has not started", NotStarted}, // until the collector stopped, or its room was full
	{"interrupted due to shutdown", Shutdown},
	{"no space left on device", DiskFull},
	{"disk full", DiskFull},
	{"x509:", TLS},
	{"tls: ", TLS},
	{"authentication handshake failed", TLS},
	{"server gave HTTP response to HTTPS client", TLS},
	{"client sent an HTTP request to an HTTPS server", TLS},
	{"error reading server preface", Protocol},
	{"malformed HTTP response", Protocol},
	{"malformed HTTP version", Protocol},
	{"unexpected content-type", Protocol},
	{"received message larger than max", TooLarge},
	{"message larger than max", TooLarge},
}

// reasonOf says why, in one word of a fixed list.
func reasonOf(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, exporterhelper.ErrQueueIsFull):
		return QueueFull
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return DiskFull
	}
	for _, s := range said {
		if strings.Contains(text, s.text) {
			return s.reason
		}
	}
	var certificate *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var header tls.RecordHeaderError
	var dialled *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &header):
		return TLS
	case errors.As(err, &name), errors.As(err, &dialled):
		return Unreachable
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	if s, ok := status.FromError(err); ok && s.Code() != codes.OK && s.Code() != codes.Unknown {
		return reasonOfCode(s.Code(), text)
	}
	if consumererror.IsPermanent(err) {
		return Rejected
	}
	return Other
}

// reasonOfCode is the reason of what a peer answered over gRPC, or over HTTP
// with a status that means the same.
func reasonOfCode(code codes.Code, text string) string {
	switch code {
	case codes.DeadlineExceeded:
		return Timeout
	case codes.Canceled:
		return Canceled
	case codes.Unauthenticated, codes.PermissionDenied:
		return Unauthorized
	case codes.Unimplemented, codes.NotFound:
		return Unimplemented
	case codes.ResourceExhausted:
		return Throttled
	case codes.Unavailable:
		for _, mine := range []string{"connection error", "name resolver error", "produced zero addresses", "no children to pick from", "connection refused", "no such host", "i/o timeout", "connection reset"} {
			if strings.Contains(text, mine) {
				return Unreachable
			}
		}
		return Unavailable
	}
	return Rejected
}
