package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// eventually calls f until it returns nil, and fails the test with f's last
// error when that takes more than ten seconds. Between a client's exit and the
// answer lie sockets, queues and a store of another process, which tell nobody
// outside when they are done: asking again is all that a user could do, too.
func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil || last == nil { // what the deadline breaks off says less
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after 10 s: %v", last)
		case <-again.C:
		}
	}
}

// get asks the query API and decodes the JSON that it answers with.
func (s *signalbox) get(ctx context.Context, path string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("port")+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return errors.Join(err, s.running())
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, res.Status, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("decoding the answer to %s: %w\n%s", path, err, body)
	}
	return nil
}

// trace asks for a trace as OTLP, the one answer that has all of a span.
func (s *signalbox) trace(ctx context.Context, id string) (ptrace.Traces, error) {
	var answer struct{ Result json.RawMessage }
	if err := s.get(ctx, "/api/v3/traces/"+id, &answer); err != nil {
		return ptrace.Traces{}, err
	}
	return (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(answer.Result)
}

// span is what the tests compare of a span. Ids are left to chance, so spans are
// told apart, and referred to, by name.
type span struct {
	Parent  string // "" for a root
	Kind    string
	Status  string // code and message
	Service string
	Attrs   map[string]any
	Events  []event
	Links   []link
}

// event is what the tests compare of a span's event.
type event struct {
	Name  string
	Attrs map[string]any
}

// link is what the tests compare of a span's link.
type link struct {
	To    string
	Attrs map[string]any
}

// volatile are attributes that a client's version or the machine decides.
var volatile = map[string]bool{
	"exception.stacktrace": true,
	"exception.type":       true, // what the language calls it
	"exception.escaped":    true, // sent by some
}

func attributes(m pcommon.Map) map[string]any {
	attrs := m.AsRaw()
	maps.DeleteFunc(attrs, func(k string, _ any) bool { return volatile[k] })
	if len(attrs) == 0 {
		return nil
	}
	return attrs
}

// spans returns a trace's spans by name. It is an error when two have one name
// or id, or when a span's parent or link is none of them.
func spans(td ptrace.Traces) (map[string]span, error) {
	names := map[pcommon.SpanID]string{{}: ""}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				if other, ok := names[sp.SpanID()]; ok {
					return nil, fmt.Errorf("spans %q and %q have one id", other, sp.Name())
				}
				names[sp.SpanID()] = sp.Name()
			}
		}
	}
	all := map[string]span{}
	for _, rs := range td.ResourceSpans().All() {
		service, _ := rs.Resource().Attributes().Get("service.name")
		for _, ss := range rs.ScopeSpans().All() {
			for _, sp := range ss.Spans().All() {
				if _, ok := all[sp.Name()]; ok {
					return nil, fmt.Errorf("two spans are named %q", sp.Name())
				}
				s, err := comparable(sp, names)
				if err != nil {
					return nil, fmt.Errorf("span %q: %w", sp.Name(), err)
				}
				s.Service = service.AsString()
				all[sp.Name()] = s
			}
		}
	}
	return all, nil
}

func comparable(sp ptrace.Span, names map[pcommon.SpanID]string) (span, error) {
	parent, ok := names[sp.ParentSpanID()]
	if !ok {
		return span{}, fmt.Errorf("its parent %s is not there", sp.ParentSpanID())
	}
	if sp.EndTimestamp() < sp.StartTimestamp() || time.Since(sp.StartTimestamp().AsTime()) > time.Hour {
		return span{}, fmt.Errorf("it lasted from %s to %s", sp.StartTimestamp(), sp.EndTimestamp())
	}
	s := span{
		Parent: parent,
		Kind:   sp.Kind().String(),
		Status: strings.TrimSuffix(sp.Status().Code().String()+": "+sp.Status().Message(), ": "),
		Attrs:  attributes(sp.Attributes()),
	}
	for _, e := range sp.Events().All() {
		s.Events = append(s.Events, event{Name: e.Name(), Attrs: attributes(e.Attributes())})
	}
	for _, l := range sp.Links().All() {
		to, ok := names[l.SpanID()]
		if !ok {
			return span{}, fmt.Errorf("it links to %s, which is not there", l.SpanID())
		}
		s.Links = append(s.Links, link{To: to, Attrs: attributes(l.Attributes())})
	}
	return s, nil
}

// wantTrace waits until the trace is there with these spans and no others.
func wantTrace(t *testing.T, id string, want map[string]span) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		td, err := box.trace(ctx, id)
		if err != nil {
			return err
		}
		got, err := spans(td)
		if err != nil {
			return fmt.Errorf("trace %s: %w", id, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("trace %s (-want +got):\n%s", id, diff)
		}
		return nil
	})
}

// wantValue waits until a PromQL expression has one value, and it is this.
func wantValue(t *testing.T, expr string, want float64) {
	t.Helper()
	box.wantValue(t, expr, want)
}

// wantValue waits until a PromQL expression has one value, and it is this.
func (s *signalbox) wantValue(t *testing.T, expr string, want float64) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := s.value(ctx, expr)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %v; want %v", expr, got, want)
		}
		return err
	})
}

// value is the value of a PromQL expression that has exactly one.
func (s *signalbox) value(ctx context.Context, expr string) (float64, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := s.get(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
		return 0, err
	}
	if n := len(answer.Data.Result); n != 1 {
		return 0, fmt.Errorf("%s has %d values; want 1: %v", expr, n, answer.Data.Result)
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(text, 64)
}
