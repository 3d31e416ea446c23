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

// wrap returns next behind a handler that accepts what old clients send.
func wrap(_ context.Context, next http.Handler) (http.Handler, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == oldTracePath {
			req = req.Clone(req.Context())
			req.URL.Path, req.URL.RawPath = oldTracePath+"s", ""
		}
		if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil && kind == "application/json" {
			body, err := io.ReadAll(req.Body)
			// A body that breaks off, or is too large, is answered by the
			// receiver: it meets the same error at the same place.
			req.Body = &reread{Reader: bytes.NewReader(modernise(body)), err: err, Closer: req.Body}
		}
		next.ServeHTTP(w, req)
	}), nil
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
