package ledger

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func spansOf(n int) ptrace.Traces {
	td := ptrace.NewTraces()
	spans := td.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
	for range n {
		spans.AppendEmpty()
	}
	return td
}

// A component that hears of an error and keeps it to itself has lost what it
// could not pass on; one that passes the error on has lost nothing.
func TestSwallowedErrors(t *testing.T) {
	later := errors.New("later")
	for name, c := range map[string]struct {
		answer error
		want   []Account
	}{
		"swallowed": {nil, []Account{{Kind: "processor", Component: "p", Signal: "traces", Outcome: Failed, Reason: Other, Items: 2, Error: "later"}}},
		"passed on": {later, nil},
		"another":   {errors.New("mine"), nil}, // made of the one it heard of
	} {
		l := New()
		b := l.book(component.KindProcessor, component.MustNewID("p"), "traces")
		next := outward(b, ptrace.Traces.SpanCount, func(context.Context, ptrace.Traces) error { return later })
		in := inward(b, ptrace.Traces.SpanCount, func(ctx context.Context, _ ptrace.Traces) error {
			_ = next(ctx, spansOf(2)) // of three
			return c.answer
		})
		if err := in(t.Context(), spansOf(3)); !errors.Is(err, c.answer) {
			t.Errorf("%s: got error %v; want %v", name, err, c.answer)
		}
		if diff := cmp.Diff(c.want, l.Accounts(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Account{}, "Last")); diff != "" {
			t.Errorf("%s: accounts (-want +got):\n%s", name, diff)
		}
	}
}

// What watching costs a request of 1000 spans at one component.
func BenchmarkWatched(b *testing.B) {
	book := New().book(component.KindProcessor, component.MustNewID("p"), "traces")
	next := outward(book, ptrace.Traces.SpanCount, func(context.Context, ptrace.Traces) error { return nil })
	in := inward(book, ptrace.Traces.SpanCount, next)
	td := spansOf(1000)
	b.ReportAllocs()
	for b.Loop() {
		if err := in(b.Context(), td); err != nil {
			b.Fatal(err)
		}
	}
}
