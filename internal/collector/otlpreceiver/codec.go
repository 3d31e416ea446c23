package otlpreceiver

import (
	"reflect"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec is the codec of gRPC with requests for metrics rewritten before they
// are decoded.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// metricsRequest is the type that requests for metrics are decoded into, which
// pdata does not export.
var metricsRequest = reflect.TypeFor[pmetricotlp.ExportRequest]().Field(0).Type

// Unmarshal decodes data into v.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if reflect.TypeOf(v) != metricsRequest {
		return c.CodecV2.Unmarshal(data, v)
	}
	body := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer body.Free()
	return c.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(modernMetrics(body.ReadOnlyData()))}, v)
}
