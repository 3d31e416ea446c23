package jaegerexporter

import (
	"context"
	"errors"
	"fmt"

	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// sender sends traces by resource, and keeps apart what happened to each.
type sender struct {
	// post delivers the spans of one resource. Its error is permanent, or asks
	// for another attempt.
	post    func(ctx context.Context, b *model.Batch) error
	refused metric.Int64Counter
	id      attribute.KeyValue
}

func newSender(set exporter.Settings, post func(context.Context, *model.Batch) error) (*sender, error) {
	refused, err := set.MeterProvider.Meter("github.com/signalbox-otel/signalbox/internal/collector/jaegerexporter").Int64Counter(
		"signalbox_jaeger_refused_spans_total",
		metric.WithDescription("Spans that Jaeger refused for good, and that were dropped."),
		metric.WithUnit("{span}"))
	if err != nil {
		return nil, err
	}
	return &sender{post: post, refused: refused, id: attribute.String("exporter", set.ID.String())}, nil
}

// send sends every resource of td. One that is refused does not keep back those
// behind it. When one is to be tried again, the error has those that were not
// tried, too: the peer is behind, or away.
func (s *sender) send(ctx context.Context, td ptrace.Traces) error {
	batches, err := translate(td)
	if err != nil {
		s.refuse(ctx, td.SpanCount())
		return consumererror.NewPermanent(err)
	}
	var refusals []error
	for i, b := range batches {
		err := s.post(ctx, b)
		switch {
		case err == nil:
		case consumererror.IsPermanent(err):
			s.refuse(ctx, len(b.Spans))
			refusals = append(refusals, err)
		default:
			return consumererror.NewTraces(err, from(td, i))
		}
	}
	return errors.Join(refusals...)
}

func (s *sender) refuse(ctx context.Context, spans int) {
	s.refused.Add(context.WithoutCancel(ctx), int64(spans), metric.WithAttributes(s.id))
}

// translate gives one batch for each resource that has spans, in order. The
// translation is of data that any sender made, so a panic in it is an error.
func translate(td ptrace.Traces) (batches []*model.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			batches, err = nil, fmt.Errorf("translating spans to Jaeger's form: %v", p)
		}
	}()
	for _, b := range jaeger.ProtoFromTraces(td) {
		if len(b.Spans) > 0 {
			batches = append(batches, b)
		}
	}
	return batches, nil
}

// from is td without its first n resources that have spans, and without those
// that have none.
func from(td ptrace.Traces, n int) ptrace.Traces {
	rest := ptrace.NewTraces()
	for _, rs := range td.ResourceSpans().All() {
		if !hasSpans(rs) {
			continue
		}
		if n == 0 {
			rs.CopyTo(rest.ResourceSpans().AppendEmpty())
			continue
		}
		n--
	}
	return rest
}

func hasSpans(rs ptrace.ResourceSpans) bool {
	for _, ss := range rs.ScopeSpans().All() {
		if ss.Spans().Len() > 0 {
			return true
		}
	}
	return false
}
