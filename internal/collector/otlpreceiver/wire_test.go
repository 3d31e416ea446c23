package otlpreceiver

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"google.golang.org/protobuf/encoding/protowire"
)

// message builds a message from fields: uint64 is written as fixed64, all else
// as bytes.
func message(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		number := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case uint64:
			b = protowire.AppendFixed64(protowire.AppendTag(b, number, protowire.Fixed64Type), v)
		case bool:
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), protowire.EncodeBool(v))
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
		case []byte:
			b = appendMessage(b, number, v)
		}
	}
	return b
}

// request wraps metrics in the levels above them.
func request(metrics ...[]byte) []byte {
	var scope []byte
	for _, m := range metrics {
		scope = appendMessage(scope, metricField, m)
	}
	return message(1, message(2, scope))
}

// oldRequest has every message that is gone, by the numbers of OTLP 0.8.
func oldRequest() []byte {
	label := message(1, "channel", 2, "web")
	minus := int64(-7)
	exemplar := message(1, label, 2, uint64(5), 3, uint64(minus))
	point := message(1, label, 2, uint64(1), 3, uint64(2), 4, uint64(minus), 5, exemplar)
	histogram := message(1, label, 3, uint64(2), 4, uint64(1), 5, uint64(minus), 6, message(), 8, exemplar)
	return request(
		message(1, "int_gauge", 4, message(1, point)),
		message(1, "int_sum", 6, message(1, point, 3, true)),
		message(1, "int_histogram", 8, message(1, histogram)),
		message(1, "double_gauge", 5, message(1, message(1, label, 4, math.Float64bits(1.5)))),
		message(1, "summary", 11, message(1, message(1, label, 5, math.Float64bits(2.5)))),
	)
}

func TestModernMetrics(t *testing.T) {
	got, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(modernMetrics(oldRequest()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(got)
	if err != nil {
		t.Fatal(err)
	}
	const attributes = `[{"key":"channel","value":{"stringValue":"web"}}]`
	const exemplars = `[{"filteredAttributes":` + attributes + `,"timeUnixNano":"5","asInt":"-7"}]`
	const point = `"startTimeUnixNano":"1","timeUnixNano":"2"`
	want := `{"resourceMetrics":[{"resource":{},"scopeMetrics":[{"scope":{},"metrics":[` +
		`{"name":"int_gauge","gauge":{"dataPoints":[{"attributes":` + attributes + `,` + point + `,"asInt":"-7","exemplars":` + exemplars + `}]}},` +
		`{"name":"int_sum","sum":{"dataPoints":[{"attributes":` + attributes + `,` + point + `,"asInt":"-7","exemplars":` + exemplars + `}],"isMonotonic":true}},` +
		`{"name":"int_histogram","histogram":{"dataPoints":[{"attributes":` + attributes + `,"timeUnixNano":"2","count":"1","sum":-7,"exemplars":` + exemplars + `}]}},` +
		`{"name":"double_gauge","gauge":{"dataPoints":[{"attributes":` + attributes + `,"asDouble":1.5}]}},` +
		`{"name":"summary","summary":{"dataPoints":[{"attributes":` + attributes + `,"sum":2.5}]}}]}]}]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestModernMetricsAreNotTouched(t *testing.T) {
	metrics := pmetric.NewMetrics()
	m := metrics.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("requests")
	p := m.SetEmptySum().DataPoints().AppendEmpty()
	p.SetIntValue(3)
	p.Attributes().PutStr("channel", "web")
	body, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(metrics)
	if err != nil {
		t.Fatal(err)
	}
	if got := modernMetrics(body); &got[0] != &body[0] {
		t.Error("a request of today was copied")
	}
	broken := append(bytes.Clone(oldRequest()), 0x0a, 0x05)
	if got := modernMetrics(broken); !bytes.Equal(got, broken) {
		t.Error("a request that breaks off was rewritten")
	}
}

func FuzzModernMetrics(f *testing.F) {
	f.Add(oldRequest())
	f.Add(oldRequest()[:40])
	f.Fuzz(func(t *testing.T, body []byte) {
		modern := modernMetrics(bytes.Clone(body))
		if len(modern) > 3*len(body)+64 {
			t.Fatalf("%d bytes became %d", len(body), len(modern))
		}
		if again := modernMetrics(bytes.Clone(modern)); !bytes.Equal(again, modern) {
			t.Fatalf("rewriting again gives %x; want %x", again, modern)
		}
	})
}
