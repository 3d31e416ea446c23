package server

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// The search of our own API takes conditions and, where they are more than that,
// queries in TraceQL.
func TestSearchInTraceQL(t *testing.T) {
	s := jaegerServer(t, shop())
	f := func(q, want string) {
		t.Helper()
		w := get(t, s, apiPrefix+"traces?start=1795168000&end=1795169000&q="+url.QueryEscape(q))
		var a struct {
			Traces []struct {
				TraceID string `json:"traceId"`
				Matched int    `json:"matchedCount"`
				Spans   []struct {
					Name string `json:"name"`
				} `json:"matchedSpans"`
			}
			Report struct{ Partial bool }
			Error  any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tr := range a.Traces {
			for _, span := range tr.Spans {
				got = append(got, tr.TraceID[31:]+":"+span.Name)
			}
		}
		if w.Code != 200 {
			got = []string{w.Body.String()}
		}
		if text := strings.Join(got, ", "); !strings.Contains(text, want) || want == "" && text != "" {
			t.Errorf("%s: got %s; want %s", q, text, want)
		}
	}
	f(`status = error`, "1:GET /items")
	f(`{ kind = server } >> { status = error }`, "1:GET /items")
	f(`{ rootServiceName = "frontend" && kind = client }`, "1:call")
	f(`{ parent.http.status_code = 200 }`, "1:call")
	f(`{ } | count() > 2`, "1:GET /, 1:call, 1:GET /items")
	f(`{ traceDuration > 1h }`, "")
	f(`{ statsu = error }`, "did you mean status?")
	f(`{ status = error } | cuont() > 2`, "did you mean count?")
	f(`{ } | rate()`, "/tempo/api/metrics/query_range")
	if w := get(t, s, apiPrefix+"traces?order=slowest&q="+url.QueryEscape(`{} > {}`)); w.Code != 400 || !strings.Contains(w.Body.String(), "newest first") {
		t.Errorf("order: got %d %s", w.Code, w.Body)
	}
	if w := get(t, s, apiPrefix+"spans?q="+url.QueryEscape(`{} > {}`)); w.Code != 400 || !strings.Contains(w.Body.String(), "a search for traces takes TraceQL") {
		t.Errorf("spans: got %d %s", w.Code, w.Body)
	}
}
