package otlpreceiver

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields in opentelemetry/proto/metrics/v1/metrics.proto, of today
// and of its releases 0.4 to 0.8. A message that is not listed has kept its
// numbers.
const (
	resourceMetricsField = 1 // of a request
	scopeMetricsField    = 2 // of ResourceMetrics
	metricField          = 2 // of ScopeMetrics

	intGaugeField     = 4 // of Metric, old
	gaugeField        = 5
	intSumField       = 6 // old
	sumField          = 7
	intHistogramField = 8 // old
	histogramField    = 9
	summaryField      = 11

	pointField = 1 // of Gauge, Sum, Histogram, Summary

	labelsField         = 1 // of a point, old
	attributesField     = 7 // of a number's or a summary's point
	histogramAttributes = 9
	oldIntField         = 4 // of an IntDataPoint: value
	asIntField          = 6
	histogramSumField   = 5
	exemplarField       = 5 // of a number's point
	histogramExemplars  = 8
	exemplarLabels      = 1 // of an exemplar, old
	exemplarAttributes  = 7
	oldIntExemplarField = 3 // of an IntExemplar: value
	exemplarAsIntField  = 6
	keyField            = 1 // of a label and of an attribute
	valueField          = 2
	stringValueField    = 1 // of AnyValue
)

// shape is how the points of one kind of metric are to be rewritten.
type shape struct {
	now        protowire.Number // the metric's field today
	attributes protowire.Number // where a point keeps them today
	exemplars  protowire.Number
	value      protowire.Number // of a point, when it is an integer in an old message; 0 for none
}

// shapes of the metrics' kinds, by their field in a metric.
var shapes = map[protowire.Number]shape{
	intGaugeField:     {gaugeField, attributesField, exemplarField, oldIntField},
	gaugeField:        {gaugeField, attributesField, exemplarField, 0},
	intSumField:       {sumField, attributesField, exemplarField, oldIntField},
	sumField:          {sumField, attributesField, exemplarField, 0},
	intHistogramField: {histogramField, histogramAttributes, histogramExemplars, histogramSumField},
	histogramField:    {histogramField, histogramAttributes, histogramExemplars, 0},
	summaryField:      {summaryField, attributesField, 0, 0},
}

// old says whether the metrics of this kind are of a message that is gone.
func old(kind protowire.Number) bool {
	return kind == intGaugeField || kind == intSumField || kind == intHistogramField
}

// modernMetrics returns an ExportMetricsServiceRequest with today's messages. A
// request without old ones, and one that cannot be read, is returned as it is:
// to refuse it is the decoder's.
func modernMetrics(request []byte) []byte {
	if !hasOldMetrics(request) {
		return request
	}
	modern, ok := rewrite(nil, request, func(dst []byte, f field) ([]byte, bool) {
		return nested(dst, f, resourceMetricsField, func(dst []byte, f field) ([]byte, bool) {
			return nested(dst, f, scopeMetricsField, func(dst []byte, f field) ([]byte, bool) {
				return nested(dst, f, metricField, rewriteMetric)
			})
		})
	})
	if !ok {
		return request
	}
	return modern
}

// hasOldMetrics looks for kinds of metrics that are gone and for labels. Of a
// point it reads the first field: encoders write labels first.
func hasOldMetrics(request []byte) bool {
	found := false
	look := func(kind field) bool {
		if old(kind.number) {
			found = true
		} else if _, isKind := shapes[kind.number]; isKind {
			each(kind.bytes, pointField, func(point field) bool {
				number, _, n := protowire.ConsumeTag(point.bytes)
				found = found || n > 0 && number == labelsField
				return !found
			})
		}
		return !found
	}
	each(request, resourceMetricsField, func(resource field) bool {
		return each(resource.bytes, scopeMetricsField, func(scope field) bool {
			return each(scope.bytes, metricField, func(metric field) bool {
				return each(metric.bytes, 0, look)
			})
		})
	})
	return found
}

func rewriteMetric(dst []byte, f field) ([]byte, bool) {
	s, isKind := shapes[f.number]
	if !isKind {
		return append(dst, f.raw...), true
	}
	data, ok := rewrite(nil, f.bytes, func(dst []byte, f field) ([]byte, bool) {
		return nested(dst, f, pointField, s.rewritePoint)
	})
	return appendMessage(dst, s.now, data), ok
}

func (s shape) rewritePoint(dst []byte, f field) ([]byte, bool) {
	switch {
	case f.number == labelsField:
		return appendAttribute(dst, s.attributes, f)
	case s.value != 0 && f.number == s.value && f.kind == protowire.Fixed64Type:
		integer, _ := protowire.ConsumeFixed64(f.bytes)
		if s.now == histogramField {
			dst = protowire.AppendTag(dst, histogramSumField, protowire.Fixed64Type)
			return protowire.AppendFixed64(dst, math.Float64bits(float64(int64(integer)))), true
		}
		dst = protowire.AppendTag(dst, asIntField, protowire.Fixed64Type)
		return protowire.AppendFixed64(dst, integer), true
	case s.exemplars != 0 && f.number == s.exemplars:
		return nested(dst, f, s.exemplars, s.rewriteExemplar)
	}
	return append(dst, f.raw...), true
}

func (s shape) rewriteExemplar(dst []byte, f field) ([]byte, bool) {
	switch {
	case f.number == exemplarLabels:
		return appendAttribute(dst, exemplarAttributes, f)
	case s.value != 0 && f.number == oldIntExemplarField && f.kind == protowire.Fixed64Type:
		dst = protowire.AppendTag(dst, exemplarAsIntField, protowire.Fixed64Type)
		return append(dst, f.bytes...), true
	}
	return append(dst, f.raw...), true
}

// appendAttribute appends a label, whose value is text, as an attribute.
func appendAttribute(dst []byte, number protowire.Number, label field) ([]byte, bool) {
	attribute, ok := rewrite(nil, label.bytes, func(dst []byte, f field) ([]byte, bool) {
		if f.number != valueField {
			return append(dst, f.raw...), true
		}
		return appendMessage(dst, valueField, appendMessage(nil, stringValueField, f.bytes)), true
	})
	return appendMessage(dst, number, attribute), ok && label.kind == protowire.BytesType
}

func appendMessage(dst []byte, number protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), message)
}

// field is one field of a message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	bytes  []byte // the value, without its length
	raw    []byte // tag, length and value
}

// next returns the first field of a message and the rest of it.
func next(message []byte) (f field, rest []byte, ok bool) {
	number, kind, tag := protowire.ConsumeTag(message)
	if tag < 0 {
		return f, nil, false
	}
	size := protowire.ConsumeFieldValue(number, kind, message[tag:])
	if size < 0 {
		return f, nil, false
	}
	f = field{number, kind, message[tag : tag+size], message[:tag+size]}
	if kind == protowire.BytesType {
		f.bytes, _ = protowire.ConsumeBytes(f.bytes)
	}
	return f, message[tag+size:], true
}

// each calls visit with the fields of a number, 0 for all that hold messages,
// until it returns false or the message cannot be read. It returns whether to
// go on.
func each(message []byte, number protowire.Number, visit func(field) bool) bool {
	for len(message) > 0 {
		f, rest, ok := next(message)
		if !ok {
			return false
		}
		if message = rest; f.kind == protowire.BytesType && (number == 0 || number == f.number) && !visit(f) {
			return false
		}
	}
	return true
}

// rewrite appends to dst what change appends for each field of the message.
func rewrite(dst, message []byte, change func(dst []byte, f field) ([]byte, bool)) ([]byte, bool) {
	for len(message) > 0 {
		f, rest, ok := next(message)
		if !ok {
			return dst, false
		}
		if dst, ok = change(dst, f); !ok {
			return dst, false
		}
		message = rest
	}
	return dst, true
}

// nested appends f: rewritten when it is the message of that number, and as it
// is otherwise.
func nested(dst []byte, f field, number protowire.Number, change func([]byte, field) ([]byte, bool)) ([]byte, bool) {
	if f.number != number || f.kind != protowire.BytesType {
		return append(dst, f.raw...), true
	}
	inner, ok := rewrite(nil, f.bytes, change)
	return appendMessage(dst, number, inner), ok
}
