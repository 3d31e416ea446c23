package jaegerexporter

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"

	"github.com/signalbox-otel/signalbox/internal/collector/answer"
)

// thriftClient sends batches as Thrift's binary protocol over HTTP.
type thriftClient struct {
	config *ThriftConfig
	set    component.TelemetrySettings
	http   *http.Client
}

func (c *thriftClient) start(ctx context.Context, host component.Host) error {
	client, err := c.config.Client.ToClient(ctx, host.GetExtensions(), c.set)
	if err != nil {
		return fmt.Errorf("preparing requests to Jaeger at %s: %w", c.config.endpoint(), err)
	}
	c.http = client
	return nil
}

func (c *thriftClient) shutdown(context.Context) error {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
	return nil
}

// post sends b in one request.
func (c *thriftClient) post(ctx context.Context, b *model.Batch) error {
	body := thrift.NewTMemoryBufferLen(b.Size())
	if err := thriftBatch(b).Write(ctx, thrift.NewTBinaryProtocolConf(body, nil)); err != nil {
		return consumererror.NewPermanent(fmt.Errorf("encoding spans for Jaeger: %w", err))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.config.endpoint(), bytes.NewReader(body.Bytes()))
	if err != nil {
		return consumererror.NewPermanent(err)
	}
	request.Header.Set("Content-Type", "application/x-thrift")
	response, err := c.http.Do(request)
	if err != nil {
		return err // nobody answered: to be tried again
	}
	defer response.Body.Close()
	return answer.HTTP(response)
}

// thriftBatch is b in Thrift's form of the same model.
func thriftBatch(b *model.Batch) *jaeger.Batch {
	spans := make([]*jaeger.Span, len(b.Spans))
	for i, s := range b.Spans {
		spans[i] = thriftSpan(s)
	}
	return &jaeger.Batch{
		Process: &jaeger.Process{ServiceName: b.Process.GetServiceName(), Tags: thriftTags(b.Process.GetTags())},
		Spans:   spans,
	}
}

func thriftSpan(s *model.Span) *jaeger.Span {
	logs := make([]*jaeger.Log, len(s.Logs))
	for i, l := range s.Logs {
		logs[i] = &jaeger.Log{Timestamp: l.Timestamp.UnixMicro(), Fields: thriftTags(l.Fields)}
	}
	refs := make([]*jaeger.SpanRef, len(s.References))
	for i, r := range s.References {
		refs[i] = &jaeger.SpanRef{
			RefType:     thriftRefType(r.RefType),
			TraceIdLow:  int64(r.TraceID.Low),
			TraceIdHigh: int64(r.TraceID.High),
			SpanId:      int64(r.SpanID),
		}
	}
	return &jaeger.Span{
		TraceIdLow:    int64(s.TraceID.Low),
		TraceIdHigh:   int64(s.TraceID.High),
		SpanId:        int64(s.SpanID),
		ParentSpanId:  int64(s.ParentSpanID()),
		OperationName: s.OperationName,
		References:    refs,
		Flags:         int32(s.Flags),
		StartTime:     s.StartTime.UnixMicro(),
		Duration:      s.Duration.Microseconds(),
		Tags:          thriftTags(s.Tags),
		Logs:          logs,
	}
}

func thriftRefType(t model.SpanRefType) jaeger.SpanRefType {
	if t == model.SpanRefType_FOLLOWS_FROM {
		return jaeger.SpanRefType_FOLLOWS_FROM
	}
	return jaeger.SpanRefType_CHILD_OF
}

func thriftTags(tags []model.KeyValue) []*jaeger.Tag {
	list := make([]*jaeger.Tag, len(tags))
	for i := range tags {
		kv := &tags[i]
		tag := &jaeger.Tag{Key: kv.Key}
		switch kv.VType {
		case model.ValueType_BOOL:
			tag.VType, tag.VBool = jaeger.TagType_BOOL, &kv.VBool
		case model.ValueType_INT64:
			tag.VType, tag.VLong = jaeger.TagType_LONG, &kv.VInt64
		case model.ValueType_FLOAT64:
			tag.VType, tag.VDouble = jaeger.TagType_DOUBLE, &kv.VFloat64
		case model.ValueType_BINARY:
			tag.VType, tag.VBinary = jaeger.TagType_BINARY, append([]byte{}, kv.VBinary...)
		default:
			tag.VType, tag.VStr = jaeger.TagType_STRING, &kv.VStr
		}
		list[i] = tag
	}
	return list
}
