package server

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
)

// tempoStreaming is Tempo's query API over gRPC, of which Grafana's data source
// calls these methods when its streaming is on. Requests become those of the HTTP
// API; each answer is one message. The messages are read and written field by
// field: there are few, and Tempo's own types are not for use by others.
type tempoStreaming struct{ server *Server }

var tempoStreams = grpc.ServiceDesc{
	ServiceName: "tempopb.StreamingQuerier",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{
		{StreamName: "Search", ServerStreams: true, Handler: tempoStream((*tempoStreaming).search)},
		{StreamName: "MetricsQueryRange", ServerStreams: true, Handler: tempoStream((*tempoStreaming).queryRange)},
		{StreamName: "MetricsQueryInstant", ServerStreams: true, Handler: tempoStream((*tempoStreaming).queryInstant)},
	},
}

// tempoStream answers a call with one message.
func tempoStream(answer func(*tempoStreaming, context.Context, *tempoRequest) (wire, error)) grpc.StreamHandler {
	return func(srv any, stream grpc.ServerStream) error {
		var request tempoRequest
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		message, err := answer(srv.(*tempoStreaming), stream.Context(), &request)
		if err != nil {
			return err
		}
		return stream.SendMsg(encoded(message))
	}
}

// tempoRequest is a request: its fields by their numbers.
type tempoRequest struct {
	texts   map[protowire.Number]string
	numbers map[protowire.Number]uint64
	tags    []string // of a search, as logfmt
}

// Unmarshal reads the fields of a message, for codec.
func (m *tempoRequest) Unmarshal(b []byte) error {
	*m = tempoRequest{texts: map[protowire.Number]string{}, numbers: map[protowire.Number]uint64{}}
	return eachWireField(b, func(n protowire.Number, number uint64, text []byte) error {
		switch {
		case text == nil:
			m.numbers[n] = number
			return nil
		case n != 1:
			m.texts[n] = string(text)
			return nil
		}
		m.texts[n] = string(text)
		var pair [2]string // of the map of tags, which only a search has
		err := eachWireField(text, func(n protowire.Number, _ uint64, text []byte) error {
			if n == 1 || n == 2 {
				pair[n-1] = string(text)
			}
			return nil
		})
		if err == nil && pair[0] != "" { // else it is the query of another request
			m.tags = append(m.tags, pair[0]+"="+strconv.Quote(pair[1]))
		}
		return nil
	})
}

// eachWireField calls f for the fields of a message: with a number, or with bytes
// that are not nil.
func eachWireField(b []byte, f func(n protowire.Number, number uint64, text []byte) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return &paramError{"request", protowire.ParseError(size)}
		}
		b = b[size:]
		var number uint64
		var text []byte
		switch kind {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
			text = append([]byte{}, text...)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return &paramError{"request", protowire.ParseError(size)}
		}
		b = b[size:]
		if err := f(n, number, text); err != nil {
			return err
		}
	}
	return nil
}

// inputs are the parameters of the HTTP API.
func (t *tempoStreaming) inputs(values url.Values) *tempoInputs {
	for name, v := range values {
		if v[0] == "" || v[0] == "0" {
			values.Del(name) // protobuf's way of not saying it
		}
	}
	return &tempoInputs{Values: values, now: t.server.deps.Now()}
}

func digits(n uint64) string { return strconv.FormatUint(n, 10) }

func (t *tempoStreaming) search(ctx context.Context, r *tempoRequest) (wire, error) {
	values := url.Values{"q": {r.texts[8]}, "limit": {digits(r.numbers[4])}, "spss": {digits(r.numbers[9])},
		"start": {digits(r.numbers[5])}, "end": {digits(r.numbers[6])}, "tags": {strings.Join(r.tags, " ")}}
	for name, n := range map[string]protowire.Number{"minDuration": 2, "maxDuration": 3} {
		if ms := r.numbers[n]; ms > 0 && ms <= math.MaxUint32 {
			values.Set(name, (time.Duration(ms) * time.Millisecond).String())
		}
	}
	found, stats, err := t.server.tempoFind(ctx, t.inputs(values))
	if err != nil {
		return nil, err
	}
	var answer wire
	for i := range found {
		answer.message(1, found[i].wire)
	}
	answer.message(2, tempoStatsOf(stats).wire)
	return answer, nil
}

// metricsInputs reads what requests for numbers have alike: query 1, start 2 and
// end 3 in Unix nanoseconds, step 4 in nanoseconds.
func (t *tempoStreaming) metricsInputs(r *tempoRequest) (*tempoInputs, error) {
	values := url.Values{"q": {r.texts[1]}, "start": {digits(r.numbers[2])}, "end": {digits(r.numbers[3])}}
	if step := r.numbers[4]; step > math.MaxInt64 {
		return nil, &paramError{"step", errTooLarge}
	} else if step > 0 {
		values.Set("step", time.Duration(step).String())
	}
	return t.inputs(values), nil
}

func (t *tempoStreaming) queryRange(ctx context.Context, r *tempoRequest) (wire, error) {
	in, err := t.metricsInputs(r)
	if err != nil {
		return nil, err
	}
	n, err := t.server.tempoRange(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("computing numbers over time: %w", err)
	}
	return n.wire(), nil
}

func (t *tempoStreaming) queryInstant(ctx context.Context, r *tempoRequest) (wire, error) {
	in, err := t.metricsInputs(r)
	if err != nil {
		return nil, err
	}
	n, err := t.server.tempoInstant(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("computing numbers: %w", err)
	}
	return n.wire(), nil
}

// wire is a protobuf message while it is written. Zero values are left out.
type wire []byte

func (w *wire) text(n protowire.Number, s string) {
	if s != "" {
		*w = protowire.AppendString(protowire.AppendTag(*w, n, protowire.BytesType), s)
	}
}

func (w *wire) number(n protowire.Number, v uint64) {
	if v != 0 {
		*w = protowire.AppendVarint(protowire.AppendTag(*w, n, protowire.VarintType), v)
	}
}

func (w *wire) double(n protowire.Number, f float64) {
	*w = protowire.AppendFixed64(protowire.AppendTag(*w, n, protowire.Fixed64Type), math.Float64bits(f))
}

func (w *wire) message(n protowire.Number, fill func(*wire)) {
	var inner wire
	fill(&inner)
	*w = protowire.AppendBytes(protowire.AppendTag(*w, n, protowire.BytesType), inner)
}

// attrs writes OTLP KeyValues: key 1, value 2, which is text 1, bool 2, int 3 or
// double 4.
func (w *wire) attrs(n protowire.Number, attrs []tempoAttr) {
	for _, a := range attrs {
		w.message(n, func(w *wire) {
			w.text(1, a.Key)
			w.message(2, a.Value.wire)
		})
	}
}

func (v tempoValue) wire(w *wire) {
	switch {
	case v.String != nil:
		*w = protowire.AppendString(protowire.AppendTag(*w, 1, protowire.BytesType), *v.String)
	case v.Bool != nil:
		*w = protowire.AppendVarint(protowire.AppendTag(*w, 2, protowire.VarintType), protowire.EncodeBool(*v.Bool))
	case v.Int != nil:
		*w = protowire.AppendVarint(protowire.AppendTag(*w, 3, protowire.VarintType), uint64(*v.Int))
	case v.Double != nil:
		w.double(4, *v.Double)
	}
}

func (s tempoStats) wire(w *wire) {
	w.number(1, uint64(s.Traces))
	w.number(3, uint64(s.Blocks))
	w.number(4, uint64(s.CompletedJobs))
	w.number(5, uint64(s.TotalJobs))
}

func (f *tempoFound) wire(w *wire) {
	w.text(1, f.TraceID)
	w.text(2, f.RootService)
	w.text(3, f.RootName)
	w.number(4, uint64(f.Start))
	w.number(5, uint64(min(f.DurationMS, math.MaxUint32)))
	for _, set := range f.Sets {
		w.message(7, func(w *wire) {
			for _, span := range set.Spans {
				w.message(1, func(w *wire) {
					w.text(1, span.SpanID)
					w.text(2, span.Name)
					w.number(3, uint64(span.Start))
					w.number(4, uint64(span.Duration))
					w.attrs(5, span.Attrs)
				})
			}
			w.number(2, uint64(set.Matched))
			w.attrs(3, set.Attrs)
		})
	}
	for name, service := range f.Services {
		w.message(8, func(w *wire) {
			w.text(1, name)
			w.message(2, func(w *wire) {
				w.number(1, uint64(service.Spans))
				w.number(2, uint64(service.Errors))
			})
		})
	}
}

// wire writes a QueryRangeResponse or a QueryInstantResponse, which are alike but
// for their series.
func (n *tempoNumbers) wire() wire {
	var w wire
	for _, s := range n.Series {
		w.message(1, s.wire)
	}
	w.message(2, n.Metrics.wire)
	if n.Status != "" {
		w.number(3, 1)
		w.text(4, n.Message)
	}
	return w
}

func (s *tempoSeries) wire(w *wire) {
	w.attrs(1, s.Labels)
	if s.Value != nil {
		w.double(2, *s.Value)
	}
	for _, sample := range s.Samples {
		w.message(2, func(w *wire) {
			w.double(1, sample.Value)
			w.number(2, uint64(sample.TimestampMS))
		})
	}
	w.text(3, s.PromLabels)
	for _, e := range s.Exemplars {
		w.message(4, func(w *wire) {
			w.attrs(1, e.Labels)
			w.double(2, e.Value)
			w.number(3, uint64(e.TimestampMS))
		})
	}
}
