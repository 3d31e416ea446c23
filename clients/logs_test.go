package clients

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// logRecord is what the tests compare of a log record.
type logRecord struct {
	Severity     int
	SeverityText string
	Body         string
	TraceID      string
	Attributes   []logAttribute
}

// logAttribute is one attribute of a log record.
type logAttribute struct {
	Key, Type string
	Value     any
}

// logs asks for a service's log records, ordered by their text: what is logged
// in one clock tick has no other order.
func (s *signalbox) logs(ctx context.Context, service string) ([]logRecord, error) {
	var answer struct {
		Logs   []logRecord
		Report struct{ Partial bool }
	}
	condition := fmt.Sprintf("resource.service.name = %q", service)
	if err := s.get(ctx, "/api/signalbox/v1/logs?limit=10000&q="+url.QueryEscape(condition), &answer); err != nil {
		return nil, err
	}
	if answer.Report.Partial {
		return nil, fmt.Errorf("the answer about logs of %s is partial", service)
	}
	slices.SortFunc(answer.Logs, func(a, b logRecord) int { return cmp.Compare(a.Body, b.Body) })
	return answer.Logs, nil
}

// wantLogs waits until the service's log records are these and no others.
func wantLogs(t *testing.T, service string, want []logRecord) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := box.logs(ctx, service)
		if err != nil {
			return err
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			return fmt.Errorf("logs of %s (-want +got):\n%s", service, diff)
		}
		return nil
	})
}
