package v1beta1

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Decoding takes any shape, keeps all of it, and copies share nothing.
func TestConfigKeepsAnyShape(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var c Config
		if err := json.Unmarshal([]byte(in), &c); err != nil {
			t.Errorf("%s: %v", in, err)
			return
		}
		var copied Config
		c.DeepCopyInto(&copied)
		for _, c := range []Config{c, copied} {
			got, err := json.Marshal(c)
			if err != nil {
				t.Errorf("%s: %v", in, err)
				return
			}
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("%s: -want +got\n%s", in, diff)
			}
		}
	}
	empty := `{"exporters":{},"receivers":{},"service":{"pipelines":{}}}`
	f(`{}`, empty)
	f(`null`, empty)
	f(`5`, empty)
	f(`{"receivers":null}`, `{"exporters":{},"receivers":null,"service":{"pipelines":{}}}`)
	f(`{"receivers":[1],"exporters":"a","service":{"pipelines":[]}}`, `{"exporters":"a","receivers":[1],"service":{"pipelines":[]}}`)
	f(`{"other":{"n":9007199254740993}}`, `{"exporters":{},"other":{"n":9007199254740993},"receivers":{},"service":{"pipelines":{}}}`)
	f(`{"service":{"extensions":["a",1],"other":1,"pipelines":{"traces":{"receivers":["a"],"exporters":[1],"other":2}}}}`,
		`{"exporters":{},"receivers":{},"service":{"extensions":["a",1],"other":1,"pipelines":{"traces":{"exporters":[1],"other":2,"receivers":["a"]}}}}`)
	f(`{"processors":{},"service":{"pipelines":{"traces":null},"telemetry":{"logs":{}}}}`,
		`{"exporters":{},"processors":{},"receivers":{},"service":{"pipelines":{"traces":{"exporters":[],"receivers":[]}},"telemetry":{"logs":{}}}}`)
}

func TestEmpty(t *testing.T) {
	f := func(in string, want bool) {
		t.Helper()
		var c Config
		if err := json.Unmarshal([]byte(in), &c); err != nil {
			t.Fatal(err)
		}
		if got := c.Empty(); got != want {
			t.Errorf("%s: got %v; want %v", in, got, want)
		}
	}
	f(`{"exporters":{},"receivers":{},"service":{"pipelines":{}}}`, true)
	f(`{"exporters":{"debug":null},"receivers":{},"service":{"pipelines":{}}}`, false)
	f(`{"processors":{}}`, false)
	f(`{"service":{"telemetry":{}}}`, false)
	f(`{"other":1}`, false)
}

// Copies of what code puts in, which decoders would not, do not panic.
func TestDeepCopyOfAnyNumber(t *testing.T) {
	a := AnyConfig{map[string]any{"a": 1, "b": []any{uint8(2)}}}
	b := a.DeepCopy()
	b.Object["b"].([]any)[0] = 3
	if diff := cmp.Diff(map[string]any{"a": 1, "b": []any{uint8(2)}}, a.Object); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
