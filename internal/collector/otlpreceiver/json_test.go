package otlpreceiver

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModernJSON(t *testing.T) {
	f := func(name, old, want string) {
		t.Helper()
		var g, w any
		if err := json.Unmarshal(modernJSON([]byte(old)), &g); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	f("spans of OTLP 0.4 to 0.15",
		`{"resourceSpans":[{"instrumentationLibrarySpans":[{"instrumentationLibrary":{"name":"http"},"spans":[{"name":"GET"}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"scope":{"name":"http"},"spans":[{"name":"GET"}]}]}]}`)
	f("old and new side by side, as senders did in OTLP 0.15",
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]}],"instrumentationLibrarySpans":[{"spans":[{"name":"b"}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"}]},{"spans":[{"name":"b"}]}]}]}`)
	f("a status that only the old codes know",
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"status":{"deprecatedCode":2}},{"status":{"deprecatedCode":0}},{"status":{"deprecatedCode":2,"code":1}}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"status":{"code":2}},{"status":{}},{"status":{"code":1}}]}]}]}`)
	f("metrics of OTLP 0.4 to 0.8",
		`{"resourceMetrics":[{"instrumentationLibraryMetrics":[{"instrumentationLibrary":{"name":"m"},"metrics":[
			{"name":"a","intSum":{"isMonotonic":true,"dataPoints":[{"value":"9007199254740993","labels":[{"key":"k","value":"v"}]}]}},
			{"name":"b","doubleGauge":{"dataPoints":[{"value":1.5}]}},
			{"name":"c","doubleHistogram":{"dataPoints":[{"count":"1","sum":2,"labels":[{"key":"k","value":"v"}],"attributes":[{"key":"n","value":{"intValue":"1"}}]}]}}]}]}]}`,
		`{"resourceMetrics":[{"scopeMetrics":[{"scope":{"name":"m"},"metrics":[
			{"name":"a","sum":{"isMonotonic":true,"dataPoints":[{"asInt":"9007199254740993","attributes":[{"key":"k","value":{"stringValue":"v"}}]}]}},
			{"name":"b","gauge":{"dataPoints":[{"asDouble":1.5}]}},
			{"name":"c","histogram":{"dataPoints":[{"count":"1","sum":2,"attributes":[{"key":"n","value":{"intValue":"1"}},{"key":"k","value":{"stringValue":"v"}}]}]}}]}]}]}`)
	f("a histogram without bounds of JavaScript 0.13 to 0.25",
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"doubleHistogram":{"dataPoints":[{"count":1,"bucketCounts":[1,0],"explicitBounds":[null]},{"bucketCounts":[1,2],"explicitBounds":[5]}]}}]}]}]}`,
		`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"count":1,"bucketCounts":[1],"explicitBounds":[]},{"bucketCounts":[1,2],"explicitBounds":[5]}]}}]}]}]}`)
	f("logs of OTLP 0.4 to 0.13",
		`{"resourceLogs":[{"instrumentationLibraryLogs":[{"logs":[{"name":"x"}]}]}]}`,
		`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"name":"x"}]}]}]}`)
	f("old names in other places are values",
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"labels","value":{"stringValue":"\"instrumentationLibrarySpans\""}}]}]}]}]}`,
		`{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"labels","value":{"stringValue":"\"instrumentationLibrarySpans\""}}]}]}]}]}`)
}

func FuzzModernJSON(f *testing.F) {
	for _, seed := range []string{
		`{"resourceSpans":[{"instrumentationLibrarySpans":[{"instrumentationLibrary":{},"spans":[{"status":{"deprecatedCode":2}}]}]}]}`,
		`{"resourceMetrics":[{"instrumentationLibraryMetrics":[{"metrics":[{"intSum":{"dataPoints":[{"labels":[{}]}]}}]}]}]}`,
		`{"resourceSpans":7,"labels":[]}`, `{"resourceSpans":[{"instrumentationLibrarySpans":{}}]}`, `[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		modern := modernJSON(bytes.Clone(body))
		if json.Valid(body) != json.Valid(modern) {
			t.Fatalf("valid is %v before and %v after: %s", json.Valid(body), json.Valid(modern), modern)
		}
		if again := modernJSON(bytes.Clone(modern)); !bytes.Equal(again, modern) {
			t.Fatalf("rewriting %s again changes it: %s", modern, again)
		}
	})
}
