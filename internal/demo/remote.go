package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// remote is a keeper behind GET and POST /messages of another part.
type remote struct {
	client *http.Client
	url    string
}

// newRemote makes a client whose requests continue the trace they belong to.
func newRemote(tel *telemetry, address string) *remote {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64 // one host is all there is
	transport.Proxy = nil              // parts find each other by the address they are given
	return &remote{
		client: &http.Client{
			Timeout: backendTimeout,
			Transport: otelhttp.NewTransport(transport, append(tel.httpOptions(),
				otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
					return r.Method + " " + r.URL.Path
				}))...),
		},
		url: "http://" + address + "/messages",
	}
}

func (r *remote) insert(ctx context.Context, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return r.do(req, nil)
}

func (r *remote) list(ctx context.Context) ([]message, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	var all []message
	return all, r.do(req, &all)
}

// do asks, and decodes the answer into a value when there is one.
func (r *remote) do(req *http.Request, into any) error {
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", req.URL, err)
	}
	switch {
	case resp.StatusCode == http.StatusBadRequest:
		return fmt.Errorf("%w: %s", errInvalid, bytes.TrimSpace(body))
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: got %s", req.Method, req.URL, resp.Status)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w", req.URL, err)
	}
	return nil
}
