package collector

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signalbox-otel/signalbox/internal/migrate"
)

// Whatever somebody writes is answered in bounded time. What is allowed is many
// times what it takes, but less than what these took without bounds.
func TestCheckIsBounded(t *testing.T) {
	many := func(n int, of func(int) (string, any)) map[string]any {
		m := map[string]any{}
		for i := range n {
			key, v := of(i)
			m[key] = v
		}
		return m
	}
	deep := func(n int) any {
		var v any = "x"
		for range n {
			v = map[string]any{"a": v}
		}
		return v
	}
	ottl := func(statements ...any) map[string]any {
		return map[string]any{"processors": map[string]any{"transform": map[string]any{"trace_statements": statements}}}
	}
	var statements []any
	for range 600 {
		statements = append(statements, "set(span.name, 1) where "+strings.Repeat("(", maxBrackets-1)+"true"+strings.Repeat(")", maxBrackets-1))
	}
	name := func(kind string) func(int) (string, any) {
		return func(i int) (string, any) { return fmt.Sprintf("%s/%d", kind, i), map[string]any{} }
	}
	var forwards []any
	for i := range 90 {
		forwards = append(forwards, fmt.Sprint("forward/", i))
	}
	for what, conf := range map[string]map[string]any{
		"deep":            {"receivers": deep(100_000)},
		"deep in one":     {"receivers": map[string]any{"otlp": deep(maxDepth - 5)}},
		"many values":     {"receivers": many(1_000_000, name("otlp"))},
		"many components": {"receivers": many(maxComponents, name("otlp")), "exporters": many(maxComponents, name("otlpp"))},
		"many keys":       {"exporters": map[string]any{"otlp_grpc": many(40_000, name("endpiont"))}},
		"long name":       {"receivers": map[string]any{strings.Repeat("o", 1<<20): nil}},
		"long statement":  ottl("set(span.name, \"" + strings.Repeat("x", 1<<20) + "\")"),
		"many brackets":   ottl("set(span.name, 1) where " + strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000)),
		"many statements": ottl(statements...),
		"references":      {"exporters": map[string]any{"otlp_grpc": many(10_000, func(i int) (string, any) { return fmt.Sprint("k", i), "${env:A}${env:B}${" })}},
		"open references": {"exporters": map[string]any{"otlp_grpc": map[string]any{"endpoint": strings.Repeat("${", 1<<19)}}},
		"pipelines": {
			"connectors": many(90, name("forward")),
			"service": map[string]any{"pipelines": many(maxPipelines-1, func(i int) (string, any) {
				return fmt.Sprint("traces/", i), map[string]any{"receivers": forwards[:40], "exporters": forwards[:40]}
			})},
		},
	} {
		start := processorTime(t)
		found := Check(t.Context(), conf)
		took := processorTime(t) - start
		if took > 10*time.Second {
			t.Errorf("%s: took %s of the processor", what, took)
		}
		if len(found) == 0 || len(found) > maxFindings+1 {
			t.Errorf("%s: got %d findings; want some, and at most %d", what, len(found), maxFindings+1)
		}
		for _, f := range found {
			if len(f.Why) > maxProblemText+len("…") {
				t.Errorf("%s: got a finding of %d bytes", what, len(f.Why))
			}
		}
		t.Logf("%s: %s, %d findings", what, took, len(found))
	}
}

// processorTime is the time of processors that this process has had: unlike the
// time of day it does not depend on what else runs.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A check for which there is no time says so, whether it had begun or not, and
// refuses nothing that it did not look at.
func TestCheckEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too late"))
	conf := map[string]any{
		"receivers": map[string]any{"otpl": map[string]any{}},
		"exporters": map[string]any{"debug": map[string]any{}},
		"service":   map[string]any{"pipelines": map[string]any{"traces": map[string]any{"receivers": []any{"otpl"}, "exporters": []any{"debug"}}}},
	}
	for range 20 {
		found := Check(ctx, conf)
		if len(found) != 1 || found[0].Severity != migrate.Warning || !strings.Contains(found[0].Why, "too late") {
			t.Fatalf("got %v; want a warning that it is too late", found)
		}
	}
	if found := Check(t.Context(), conf); !migrate.Failed(found) {
		t.Errorf("in time: got %v; want otpl to be refused", found)
	}
}
