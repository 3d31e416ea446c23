package logql

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

// filled is a store with n records, a second apart, each in a stream and with a
// value of its own.
func filled(t testing.TB, n int) *storetest.Memory {
	t.Helper()
	m := &storetest.Memory{}
	ld := plog.NewLogs()
	for i := range n {
		rl := ld.ResourceLogs().AppendEmpty()
		rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("s%d", i%7))
		l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		l.SetTimestamp(pcommon.NewTimestampFromTime(base.Add(time.Duration(i) * time.Second)))
		l.Attributes().PutInt("n", int64(i))
		l.Body().SetStr(fmt.Sprintf("n=%d v=%d", i, i*i%11))
	}
	load(t, backend{append: m.Append}, ld)
	return m
}

func metric(t testing.TB, e *Engine, src string, start, end, step time.Duration) (*Matrix, error) {
	t.Helper()
	expr, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	return e.Metric(t.Context(), MetricQuery{Expr: expr, Start: base.Add(start), End: base.Add(end), Step: step})
}

func TestLimits(t *testing.T) {
	m := filled(t, 100)
	refused := func(l Limits, src, want string) {
		t.Helper()
		_, err := metric(t, New(m, m, l), src, 0, time.Hour, time.Minute)
		var limit *LimitError
		if !errors.As(err, &limit) || !strings.Contains(limit.Msg, want) {
			t.Errorf("%s with %+v: got %v; want a limit of %s", src, l, err, want)
		}
	}
	refused(Limits{Series: 10}, `count_over_time({service_name=~".+"}[5m])`, "maximum of series (10)")
	refused(Limits{Values: 200}, `count_over_time({service_name=~".+"}[5m])`, "holds more than 200")
	refused(Limits{Values: 20}, `sum_over_time({service_name=~".+"} | unwrap n [5m])`, "holds more than 20")
	refused(Limits{Steps: 10}, `sum(count_over_time({service_name=~".+"}[5m]))`, "resolution of 10")

	a, err := metric(t, New(m, m, Limits{MaxRows: 30}), `sum(count_over_time({service_name=~".+"}[1h]))`, time.Hour, time.Hour, 0)
	if err != nil || a.Report.Stopped != "row limit" {
		t.Errorf("rows: got %+v, %v; want an end at the limit", a, err)
	}
	a, err = metric(t, New(m, m, Limits{MaxTime: 1}), `sum(count_over_time({service_name=~".+"}[1h]))`, time.Hour, time.Hour, 0)
	if err != nil || a.Report.Stopped != query.StoppedTime {
		t.Errorf("time: got %+v, %v; want an end at the limit", a, err)
	}
	lines, err := ParseLog(`{service_name=~".+"} | n >= 0`)
	if err != nil {
		t.Fatal(err)
	}
	q := LogQuery{Expr: lines, Start: uint64(base.UnixNano()), End: uint64(base.Add(time.Hour).UnixNano()), Limit: 50}
	found, err := New(m, m, Limits{AnswerBytes: 2000}).Logs(t.Context(), q)
	if err != nil || found.Report.Stopped != stoppedSize || len(found.Entries) == 0 || len(found.Entries) >= 50 {
		t.Errorf("size: got %d lines, %+v, %v; want some, and an end at the limit", len(found.Entries), found.Report, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(m, m, Limits{}).Logs(cancelled, q); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

// TestTemplatesAreBounded runs templates that would make text or loops without end.
func TestTemplatesAreBounded(t *testing.T) {
	row := &row{stream: &stream{labels: Labels{{"service_name", "shop"}}}, log: &store.Log{Resource: &store.Resource{}, Scope: &store.Scope{}}}
	f := func(text, want string) {
		t.Helper()
		tmpl, err := newTemplate(text)
		if err != nil {
			t.Fatalf("%.80s: %v", text, err)
		}
		got, err := tmpl.execute(row)
		if want == "" && err == nil {
			t.Errorf("%.80s: got %d bytes; want an error", text, len(got))
		} else if want != "" && got != want {
			t.Errorf("%.80s: got %.80q, %v; want %q", text, got, err, want)
		}
	}
	double := strings.Repeat(`{{ $a = print $a $a }}`, 40)
	f(`{{ $a := "xxxxxxxx" }}`+double, "")
	f(`{{ repeat 2000000 "x" }}`, "")
	f(`{{ $a := repeat 1000000 "a" }}{{ replace "a" "bbbb" $a }}`, "")
	f(`{{ $a := repeat 1000000 "a" }}{{ regexReplaceAll "a" $a "bbbb" }}`, "")
	f(`{{ indent 100000 (repeat 1000 "\n") }}`, "")
	f(`{{ alignLeft 100000000 "x" }}`, "")
	f(`{{ printf "%1000000d" 1 }}`, "")
	f(`{{ printf "%*d" 1000000 1 }}`, "")
	f(`{{ range $x := fromJson (printf "[%s1]" (repeat 9999 "1,")) }}{{ end }}`, "")
	f(`{{ range fromJson "[1,2]" }}{{ range fromJson "[3,4]" }}{{ . }}{{ end }};{{ end }}`, "34;34;")
	f(`{{ range $k, $v := fromJson "{\"a\":1}" }}{{ $k }}{{ $v }}{{ end }}`, "a1")
	f(`{{ if eq .service_name "shop" }}{{ .service_name | ToUpper | trunc 2 }}{{ .missing }}{{ end }}`, "SH")
	f(`{{ add 1 2 }} {{ mulf 1.5 2 }} {{ div 7 2 }} {{ default "x" "" }} {{ substr 1 3 "abcd" }} {{ title "ab cd" }} {{ alignRight 4 "ab" }}`, "3 3 3 x bc Ab Cd   ab")
	f(`{{ duration "1m30s" }} {{ bytes "2KB" }} {{ count "a" "banana" }} {{ b64dec "aGk=" }} {{ urlencode "a b" }} {{ round 2.345 1 }}`, "90 2000 3 hi a+b 2.3")
	f(`{{ unixToTime "1795168800" | unixEpochMillis }} {{ div 1 0 }}`, "")
}

// TestCountsAsDefined compares what is counted with the definition: the records
// of the range before each instant.
func TestCountsAsDefined(t *testing.T) {
	m := filled(t, 200)
	e := New(m, m, Limits{})
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		start := time.Duration(rng.IntN(250)-50) * time.Second
		step := time.Duration(1+rng.IntN(90_000)) * time.Millisecond
		end := start + time.Duration(rng.IntN(300))*time.Second
		length := time.Duration(1+rng.IntN(100_000)) * time.Millisecond
		offset := time.Duration(rng.IntN(61)-30) * time.Second
		src := fmt.Sprintf(`sum(count_over_time({service_name="s3"}[%s] offset %s))`, formatDuration(length), formatDuration(offset))
		if offset == 0 {
			src = fmt.Sprintf(`sum(count_over_time({service_name="s3"}[%s]))`, formatDuration(length))
		}
		unwrapped := strings.Replace(strings.Replace(src, "count_over", "sum_over", 1), `"}`, `"} | label_format one="1" | unwrap one `, 1)
		var want []float64
		for at := start; at <= end; at += step {
			n := missing
			for i := 3; i < 200; i += 7 {
				if when := time.Duration(i) * time.Second; when > at-offset-length && when <= at-offset {
					if Missing(n) {
						n = 0
					}
					n++
				}
			}
			want = append(want, n)
		}
		for _, src := range []string{src, unwrapped} {
			a, err := metric(t, e, src, start, end, step)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]float64, len(want))
			for i := range got {
				got[i] = missing
			}
			if len(a.Series) > 0 {
				got = a.Series[0].Values
			}
			if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" {
				t.Fatalf("seed %d: %s from %s to %s by %s (-want +got):\n%s", seed, src, start, end, step, diff)
			}
		}
	}
}

// records hides that a store has columns.
type records struct{ query.Reader }

// columns counts how many records a store gave whole.
type columns struct {
	*store.Store
	whole *int
}

// Logs implements query.Reader.
func (c columns) Logs(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error] {
	return func(yield func(*store.Log, error) bool) {
		for l, err := range c.Store.Logs(ctx, q) {
			if *c.whole++; !yield(l, err) {
				return
			}
		}
	}
}

// TestVolumesAgree compares what times and severities tell about counts with what
// whole records do, and sees which are not read whole.
func TestVolumesAgree(t *testing.T) {
	for _, name := range []string{"head", "blocks"} {
		b := backends[name](t)
		ld := plog.NewLogs()
		for i := range 300 {
			rl := ld.ResourceLogs().AppendEmpty()
			if i%4 > 0 {
				rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("s%d", i%4))
			}
			rl.Resource().Attributes().PutStr("host.name", "h")
			l := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
			l.SetTimestamp(pcommon.NewTimestampFromTime(base.Add(time.Duration(i) * time.Second)))
			switch {
			case i%10 == 0: // says it in an attribute
				l.Attributes().PutStr("severity", "warn")
			case i%10 == 1: // says nothing
			case i%10 == 2:
				l.SetSeverityNumber(99)
			default:
				l.SetSeverityNumber(plog.SeverityNumber(i % 25))
			}
		}
		load(t, b, ld)
		if err := b.loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			src   string
			whole int // records, of 300 in 5 minutes
		}{
			{`sum(count_over_time({service_name=~".+"}[1m]))`, 0},
			{`sum(rate({service_name="s1"}[30s]))`, 0},
			{`sum by (level) (count_over_time({service_name=~"s1|s2", host_name!="x"}[1m]))`, 300},
			{`sum by (level, detected_level) (count_over_time({service_name=~".+"}[1m]))`, 100},
			{`sum by (detected_level) (count_over_time({service_name=~"s[12]"}[2m] offset 30s))`, 50},
			{`sum by (detected_level, severity) (count_over_time({service_name=~".+"}[1m]))`, 300},
			{`sum by (detected_level, host_name) (count_over_time({service_name=~".+"}[1m]))`, 300},
			{`sum by (service_name) (count_over_time({service_name=~".+"}[1m]))`, 300},
			{`sum without (host_name) (count_over_time({service_name=~".+"}[1m]))`, 300},
			{`sum(count_over_time({service_name=~".+"} | detected_level="info" [1m]))`, 300},
			{`sum(bytes_over_time({service_name=~".+"}[1m]))`, 300},
		} {
			whole := 0
			got, err := metric(t, New(columns{b.Reader.(*store.Store), &whole}, b.Catalog, Limits{}), c.src, 0, 6*time.Minute, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			want, err := metric(t, New(records{b.Reader}, b.Catalog, Limits{}), c.src, 0, 6*time.Minute, 20*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(fmt.Sprint(want.Series), fmt.Sprint(got.Series)); diff != "" || len(got.Series) == 0 {
				t.Errorf("%s: %s: got %d series (-want +got):\n%s", name, c.src, len(got.Series), diff)
			}
			if whole > c.whole {
				t.Errorf("%s: %s: read %d records whole; want at most %d", name, c.src, whole, c.whole)
			}
		}
	}
}

// TestLabelSetsAgree compares what columns tell about labels with what records do.
func TestLabelSetsAgree(t *testing.T) {
	for name, open := range backends {
		b := open(t)
		ld := plog.NewLogs()
		for i := range 40 {
			rl := ld.ResourceLogs().AppendEmpty()
			if i%4 > 0 {
				rl.Resource().Attributes().PutStr("service.name", fmt.Sprintf("s%d", i%4))
			}
			if i%5 > 0 {
				rl.Resource().Attributes().PutStr("k8s.pod.name", fmt.Sprintf("p%d", i%5))
			}
			rl.Resource().Attributes().PutStr("host.name", "h")
			rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().SetTimestamp(pcommon.NewTimestampFromTime(base.Add(time.Duration(i) * time.Second)))
		}
		load(t, b, ld)
		if err := b.loaded(t.Context()); err != nil {
			t.Fatal(err)
		}
		reader := b.Reader
		for _, src := range []string{`{}`, `{service_name="s1"}`, `{service_name=~"s.*", k8s_pod_name="p1"}`, `{k8s_pod_name!="p1"}`, `{service_name="unknown_service"}`, `{k8s_pod_name=""}`, `{host_name="h"}`} {
			matchers, err := ParseMatchers(src)
			if err != nil {
				t.Fatal(err)
			}
			start, end := uint64(base.UnixNano()), uint64(base.Add(30*time.Second).UnixNano())
			got, err := New(reader, b.Catalog, Limits{}).LabelSets(t.Context(), matchers, start, end)
			if err != nil {
				t.Fatal(err)
			}
			want, err := New(records{reader}, b.Catalog, Limits{}).LabelSets(t.Context(), matchers, start, end)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, src, diff)
			}
		}
	}
}
