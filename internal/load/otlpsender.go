package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// httpSender sends OTLP/HTTP with protobuf bodies.
type httpSender struct {
	encoder
	client *http.Client
	url    string
}

func newHTTPSender(s OTLPSettings, e encoder) *httpSender {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = s.Workers
	return &httpSender{
		encoder: e,
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a redirect is an answer, and no success
		}},
		url: s.Endpoint.JoinPath(e.path).String(),
	}
}

func (s *httpSender) send(ctx context.Context, b batch) (int, error) {
	body, err := s.marshal(b)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "signalbox-load")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", errUnanswered, failureOf(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%w: %s", errUnanswered, failureOf(err))
	case resp.StatusCode/100 != 2:
		return 0, fmt.Errorf("%s", resp.Status)
	}
	rejected, err := s.rejected(answer)
	if err != nil {
		return 0, fmt.Errorf("an answer that is no OTLP: %w", err)
	}
	return int(rejected), nil
}

func (s *httpSender) close() error {
	s.client.CloseIdleConnections()
	return nil
}

// grpcSender sends OTLP/gRPC over one connection.
type grpcSender struct {
	encoder
	conn *grpc.ClientConn
}

func newGRPCSender(s OTLPSettings, e encoder) (*grpcSender, error) {
	security := insecure.NewCredentials()
	if s.Endpoint.Scheme == "https" {
		security = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient(s.Endpoint.Host, grpc.WithTransportCredentials(security), grpc.WithUserAgent("signalbox-load"))
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", s.Endpoint, err)
	}
	return &grpcSender{e, conn}, nil
}

func (s *grpcSender) send(ctx context.Context, b batch) (int, error) {
	rejected, err := s.export(ctx, s.conn, b)
	if err == nil {
		return int(rejected), nil
	}
	st := status.Convert(err)
	switch st.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return 0, fmt.Errorf("%w: %s: %.200s", errUnanswered, st.Code(), st.Message())
	}
	return 0, fmt.Errorf("%s: %.200s", st.Code(), st.Message())
}

func (s *grpcSender) close() error { return s.conn.Close() }
