package otlpreceiver

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/http"
)

// oldTracePath is where SDKs posted spans until OTLP 0.5; the collector served
// it until 0.43.
const oldTracePath = "/v1/trace"

// paths are where the receiver takes spans and metrics.
type paths struct{ traces, metrics string }

// wrap returns next behind a handler that accepts what old clients send.
func (p paths) wrap(_ context.Context, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == oldTracePath {
			req = req.Clone(req.Context())
			req.URL.Path, req.URL.RawPath = p.traces, ""
		}
		switch kind, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); {
		case kind == "application/json":
			req.Body = replace(req.Body, modernJSON)
		case kind == "application/x-protobuf" && req.URL.Path == p.metrics:
			req.Body = replace(req.Body, modernMetrics)
		}
		next.ServeHTTP(w, req)
	}), nil
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
