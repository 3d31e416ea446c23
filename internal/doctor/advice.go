package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// explain puts a loss into a sentence, and says what mends it.
func explain(l loss, out Exit) (text, fix string) {
	at := out.Endpoint
	if at == "" {
		at = "its peer"
	}
	set := func(key, value string) string { return "exporters:\n  " + l.Component + ":\n    " + key + ": " + value }
	again := map[string]string{
		"failed":  fmt.Sprintf("%d lost", l.Items),
		"refused": fmt.Sprintf("%d refused", l.Items),
		"dropped": fmt.Sprintf("%d dropped", l.Items),
		"retried": "it tries again",
	}[l.Outcome]
	said := func(sentence string) string {
		if l.Error != "" && !strings.Contains(sentence, l.Error) {
			sentence += " (" + short(l.Error) + ")"
		}
		return sentence + "; " + again
	}
	switch l.Reason {
	case "unreachable":
		return said("nobody answers at " + at), "start what should listen there, or correct the address:\n" + set("endpoint", "host:port")
	case "timeout":
		return said(at + " does not answer in time"), "is it overloaded? Or give it longer:\n" + set("timeout", "30s")
	case "tls":
		if !out.Insecure {
			return said("no secure connection to " + at), "when " + at + " has no TLS:\n" + set("tls", "{insecure: true}") + "\nwhen its certificate is signed by a CA of yours:\n" + set("tls", "{ca_file: ca.pem}")
		}
		return said("no secure connection to " + at), set("tls", "{insecure: false}")
	case "protocol":
		return said(at + " does not speak what this exporter speaks"), "is the port right? OTLP is gRPC at 4317 (exporter otlp) and HTTP at 4318 (exporter otlp_http). When it wants TLS:\n" + set("tls", "{insecure: false}")
	case "unimplemented":
		if strings.HasSuffix(at, ":14250") {
			return said(at + " is Jaeger, which takes only traces"), "take " + l.Component + " out of the pipelines of " + l.Signal
		}
		return said(at + " does not know this service"), "is the port, or the path, right? OTLP is gRPC at 4317 and HTTP at 4318"
	case "unauthorized":
		return said(at + " wants other credentials"), set("headers", "{authorization: Bearer …}")
	case "unavailable", "throttled":
		return said(at + " asks to come again later"), "it has too little room: look at its log and metrics"
	case "too_large":
		return said(at + " takes no messages of this size"), set("sending_queue", "{batch: {max_size: 1000}}") + "\nor raise max_recv_msg_size_mib of the receiver there"
	case "rejected", "partial_success":
		return said(at + " will never take it"), "the error says what is wrong with the data"
	case "queue_full":
		return said("the sending queue is full: " + at + " takes less than comes in"), "mend what is behind it, or give it more room:\n" + set("sending_queue", "{queue_size: 10000}")
	case "memory_limit":
		return said("the collector is at its memory limit"), "give it more memory, or raise the limit:\nprocessors:\n  " + l.Component + ": {limit_percentage: 80}"
	case "disk_full":
		return said("the disk is full"), "free space, or keep less: retention: {max_size: …} of the query extension"
	case "not_started":
		return said("it could not start, and has no more room to hold data back"), "the collector's log says what it misses: credentials, a file, an address"
	case "filtered":
		return said("dropped it, as its conditions want"), "data like the probe is dropped; try with the attributes of yours: signalbox doctor --local --attribute service.name=…"
	case "sampled":
		return said("left it out by chance, as it is to keep only a part"), "raise sampling_percentage of " + l.Component + " to keep more"
	}
	return said("something did not go on, reason " + l.Reason), ""
}

// refusal puts into a sentence why a receiver did not take a probe.
func refusal(err error, l Listener) (text, fix string) {
	place := "receivers::" + l.Receiver
	if l.Protocol != "" {
		place += "::protocols::" + l.Protocol
	}
	full := err.Error()
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(full, p) {
				return true
			}
		}
		return false
	}
	var answer *answerError
	code := 0
	if errors.As(err, &answer) {
		code = answer.status
	}
	grpc := status.Code(err)
	switch {
	case has("connection refused"):
		return "nothing listens at " + l.Address, "is the collector running, and with this configuration? The address is " + place + "::endpoint"
	case has("no such host"), has("i/o timeout"), has("no route to host"):
		return "there is no way to " + l.Address + ": " + cause(err), "from here the collector has another address than " + place + "::endpoint"
	case has("first record does not look like a TLS handshake", "server gave HTTP response to HTTPS client"):
		return l.Address + " speaks without TLS", "use http:// and insecure connections, or configure " + place + "::tls"
	case has("HTTP request to an HTTPS server"), !l.TLS && has("error reading server preface: EOF", "connection reset by peer"):
		return l.Address + " wants TLS", "use https:// in programs, with OTEL_EXPORTER_OTLP_CERTIFICATE naming the CA"
	case has("malformed HTTP response", "malformed HTTP version", "error reading server preface", "unexpected HTTP status code", "unexpected content-type"):
		return l.Address + " does not speak " + l.Protocol, "OTLP has two ports: gRPC (4317) and HTTP (4318)"
	case has("data refused due to high memory usage"):
		return "refused it: the collector is at its memory limit", "give it more memory, or raise the limit of memory_limiter"
	case has("sending queue is full"):
		return "refused it: a sending queue is full", "an exporter sends less than comes in: see below"
	case code == http.StatusUnauthorized, code == http.StatusForbidden, grpc == codes.Unauthenticated, grpc == codes.PermissionDenied:
		return "wants other credentials: " + short(cause(err)), "signalbox doctor --local --header 'authorization=Bearer …'"
	case code == http.StatusNotFound, grpc == codes.Unimplemented:
		return l.Address + " is something else: " + short(cause(err)), "which program listens there? The address is " + place + "::endpoint"
	}
	return "refused it: " + short(cause(err)), ""
}

// short is an error's text for one line.
func short(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.TrimPrefix(text, "rpc error: ")
	if len(text) > 200 {
		return strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
