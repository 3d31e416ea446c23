package ingest_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

func TestJSON(t *testing.T) {
	f := func(v store.Value, want any, text string) {
		t.Helper()
		got := ingest.JSON(v)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("JSON(%v) (-want +got):\n%s", v, diff)
		}
		out, err := json.Marshal(got)
		if err != nil || string(out) != text {
			t.Errorf("json.Marshal(JSON(%v)) is %s, %v; want %s", v, out, err, text)
		}
	}
	f(store.Value{}, nil, `null`)
	f(store.StringValue("x"), "x", `"x"`)
	f(store.BoolValue(true), true, `true`)
	f(store.IntValue(-5), int64(-5), `-5`)
	f(store.DoubleValue(1.5), 1.5, `1.5`)
	f(store.DoubleValue(math.NaN()), "NaN", `"NaN"`)
	f(store.DoubleValue(math.Inf(1)), "Infinity", `"Infinity"`)
	f(store.DoubleValue(math.Inf(-1)), "-Infinity", `"-Infinity"`)
	f(store.BytesValue("\x00\xff"), []byte{0, 255}, `"AP8="`)

	pv := pcommon.NewValueMap()
	list := pv.Map().PutEmptySlice("list")
	list.AppendEmpty().SetInt(1)
	list.AppendEmpty().SetStr("two")
	list.AppendEmpty()
	list.AppendEmpty().SetEmptyMap().PutBool("deep", true)
	list.AppendEmpty().SetEmptySlice()
	list.AppendEmpty().SetEmptyMap()
	f(ingest.FromPvalue(pv),
		map[string]any{"list": []any{int64(1), "two", nil, map[string]any{"deep": true}, []any{}, map[string]any{}}},
		`{"list":[1,"two",null,{"deep":true},[],{}]}`)

	// An encoding from elsewhere has no content.
	f(store.ArrayValue("\xff"), []any{}, `[]`)
	f(store.MapValue("x"), map[string]any{}, `{}`)
	f(store.MapValue(""), map[string]any{}, `{}`)
}

func TestEntriesKeepKeysThatComeTwice(t *testing.T) {
	encoded := field(6, field(1, keyValue("k", "1")), field(1, keyValue("k", "2")))
	want := []store.Attr{{Key: "k", Value: store.StringValue("1")}, {Key: "k", Value: store.StringValue("2")}}
	if diff := cmp.Diff(want, ingest.Entries(store.MapValue(string(encoded))), cmp.AllowUnexported(store.Value{})); diff != "" {
		t.Errorf("Entries (-want +got):\n%s", diff)
	}
	if got := ingest.Elements(store.MapValue(string(encoded))); got != nil {
		t.Errorf("Elements of a map: %v; want none", got)
	}
}

func TestValuesSurvivePdata(t *testing.T) {
	for seed := range uint64(histories) {
		pv := pcommon.NewValueEmpty()
		newRandom(seed).value(pv, 4)
		v := ingest.FromPvalue(pv)
		if again := ingest.FromPvalue(ingest.Pvalue(v)); again != v {
			t.Fatalf("seed %d: %#v became %#v", seed, v, again)
		}
		if got, want := ingest.Pvalue(v).AsString(), pv.AsString(); got != want {
			t.Fatalf("seed %d: %s; want %s", seed, got, want)
		}
	}
}

func TestFromPvalueOfTooDeepValue(t *testing.T) {
	pv := pcommon.NewValueEmpty()
	inner := pv
	for range 120 {
		inner = inner.SetEmptySlice().AppendEmpty()
	}
	if got := ingest.FromPvalue(pv); got.Type != store.String {
		t.Errorf("type %d; want a string", got.Type)
	}
}
