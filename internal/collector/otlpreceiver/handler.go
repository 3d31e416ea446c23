package otlpreceiver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// oldTracePath is where SDKs posted spans until OTLP 0.5; the collector served
// it until 0.43.
const oldTracePath = "/v1/trace"

// Content types of requests.
const (
	protobuf = "application/x-protobuf"
	inJSON   = "application/json"
)

func contentType(req *http.Request) string {
	kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	return kind
}

// wrap returns next behind a handler that decompresses, that accepts what old
// clients send, and that takes requests that go straight on itself.
func (i *intake) wrap(_ context.Context, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == oldTracePath {
			req = req.Clone(req.Context())
			req.URL.Path, req.URL.RawPath = i.spanPath, ""
		}
		if err := i.inflate(w, req); err != nil {
			refuse(w, req, i.refused.count(req.Context(), status.New(codes.InvalidArgument, err.Error())))
			return
		}
		defer req.Body.Close()
		switch kind := contentType(req); {
		case kind == inJSON:
			req.Body = replace(req.Body, modernJSON)
		case kind != protobuf:
		case req.URL.Path == i.metricPath:
			req.Body = replace(req.Body, modernMetrics)
		case req.Method == http.MethodPost:
			if l := i.laneAt(req.URL.Path); l != nil {
				req.Pattern = req.URL.Path // which the server's telemetry reads
				if refused := i.serve(l, req); refused != nil {
					refuse(w, req, refused)
				} else {
					answer(w, http.StatusOK, protobuf, l.done)
				}
				return
			}
		}
		next.ServeHTTP(w, req)
	}), nil
}

// serve takes a request, and returns why it was refused; nil when it was not.
func (i *intake) serve(l *lane, req *http.Request) *status.Status {
	h := &hold{room: i.room}
	defer h.give()
	body := bodies.Get().(*[]byte)
	var err error
	if *body, err = readInto((*body)[:0], req, h); err != nil {
		bodies.Put(body)
		why := status.New(codes.InvalidArgument, err.Error())
		if errors.Is(err, ingest.ErrNoRoom) {
			why = noRoom()
		}
		return i.refused.count(req.Context(), why)
	}
	kept, err := i.read(req.Context(), l, *body, h, func(b *store.Batch) error { return l.pass(req.Context(), b) })
	if !kept && cap(*body) <= maxIdle {
		bodies.Put(body)
	}
	if err != nil {
		return refusal(err)
	}
	return nil
}

// bodies are the buffers of requests that were answered.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// readInto reads the body of a request to its end, as far as there is room.
func readInto(b []byte, req *http.Request, h *hold) ([]byte, error) {
	// The length is what a sender says: room for a lie is made as bytes come.
	if n := min(req.ContentLength, maxIdle) + 1; n > int64(cap(b)) {
		b = make([]byte, 0, n)
	}
	if !h.take(int64(cap(b))) {
		return b, ingest.ErrNoRoom
	}
	for {
		if len(b) == cap(b) {
			if !h.take(int64(max(4096, len(b)))) {
				return b, ingest.ErrNoRoom
			}
			b = slices.Grow(b, max(4096, len(b)))
		}
		n, err := req.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

// replace returns a body with what modern makes of the content. A body that
// breaks off, or is too large, is answered by the receiver: it meets the same
// error at the same place.
func replace(body io.ReadCloser, modern func([]byte) []byte) io.ReadCloser {
	content, err := io.ReadAll(body)
	return &reread{Reader: bytes.NewReader(modern(content)), err: err, Closer: body}
}

// reread is a body that was read once already, with the error that ended it.
type reread struct {
	*bytes.Reader
	io.Closer
	err error
}

// Read reads the body again; io.EOF gives way to the error that came first.
func (r *reread) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF && r.err != nil {
		err = r.err
	}
	return n, err
}

// WriteTo is io.Copy's shortcut. It takes Read's way, for the error's sake.
func (r *reread) WriteTo(w io.Writer) (int64, error) {
	n, err := r.Reader.WriteTo(w)
	if err == nil {
		err = r.err
	}
	return n, err
}
