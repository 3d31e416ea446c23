package logql

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
	"github.com/signalbox-otel/signalbox/internal/store/storetest"
)

func TestParsePrints(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		e, err := Parse(in)
		if err != nil {
			t.Errorf("Parse(%s): %v", in, err)
			return
		}
		if got := e.String(); got != want {
			t.Errorf("Parse(%s) prints\n     %s\nwant %s", in, got, want)
		}
	}
	same := func(in string) { t.Helper(); f(in, in) }
	same(`{a="b", c!="d", e=~"f.*", g!~"h"}`)
	same("{a=\"b\"} |= \"x\" or \"y\" != \"z\" |~ \"r.\" !~ \"s\" |> \"<_> t\" !> \"u\"")
	same(`{a="b"} |= ip("10.0.0.0/8") != ip("::1")`)
	same(`{a="b"} | json | logfmt --strict --keep-empty | unpack | regexp "(?P<x>.)" | pattern "<x> y"`)
	same(`{a="b"} | json x="y.z[0]", w="v" | logfmt x="y"`)
	same(`{a="b"} | c="d" and (e > 5 or f <= 10ms) and g == 5000B`)
	same(`{a="b"} | c=ip("10.0.0.1-10.0.0.9") or d!=ip("::1")`)
	same(`{a="b"} | line_format "{{.x}}" | label_format y=x, z="{{.y}}" | drop a, b="c" | keep d | decolorize`)
	same(`sum by (a, b) (rate({a="b"} [5m]))`)
	same(`quantile_over_time(0.99, {a="b"} | json | unwrap duration(x) | __error__="" [1h30m] offset -5m) without (c)`)
	same(`(topk(5, count_over_time({a="b"} [1m])) / on (a) group_left (b) sum without (c) (rate({a="b"} [1m])))`)
	same(`label_replace(vector(1), "a", "$1", "b", "(.*)")`)
	f("{ a = `b` , } # comment\n | json", `{a="b"} | json`)
	f(`sum(rate({a="b"}[1d])) by (c)`, `sum by (c) (rate({a="b"} [24h]))`)
	f(`count_over_time(({a="b"} |= "c")[5m])`, `count_over_time({a="b"} |= "c" [5m])`)
	f(`count_over_time({a="b"}[5m] |= "c")`, `count_over_time({a="b"} |= "c" [5m])`)
	f(`({a="b"} |= "c") | json`, `{a="b"} |= "c" | json`)
	f(`{a="b"} | c=1, d="e" f>2KiB`, `{a="b"} | c == 1 and d="e" and f > 2048B`)
	f(`1 + 2 * -3 ^ 2 ^ 2 > bool 4`, `((1 + (2 * (-3 ^ (2 ^ 2)))) > bool 4)`)
	f(`vector(1) or vector(2) and vector(3)`, `(vector(1) or (vector(2) and vector(3)))`)
}

func TestParseRefuses(t *testing.T) {
	f := func(in string, pos int, msg string) {
		t.Helper()
		_, err := Parse(in)
		var syntax *query.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%s): got %v; want a syntax error", in, err)
			return
		}
		if syntax.Pos != pos || !strings.Contains(syntax.Msg, msg) {
			t.Errorf("Parse(%.100s): got %d %q; want %d and %q", in, syntax.Pos, syntax.Msg, pos, msg)
		}
	}
	f(``, 0, "ends here")
	f(`{a="b"`, 6, "expected ,")
	f(`{a="b}`, 3, "closing \"")
	f(`{a=b}`, 3, "a value in quotes")
	f(`{a=~"("}`, 4, "no regular expression")
	f(`{}`, 0, "at least one label")
	f(`{a=~".*"}`, 0, "at least one label")
	f(`{a="b"} |~ "["`, 11, "no regular expression")
	f(`{a="b"} | "x"`, 10, "line filter is written")
	f(`{a="b"} | x`, 11, "comparison")
	f(`{a="b"} | x > "y"`, 14, "expected a number")
	f(`{a="b"} | x > 5q`, 14, "no number")
	f(`{a="b"} | json x="["`, 17, "no path")
	f(`{a="b"} | json --strict`, 15, "no flags")
	f(`{a="b"} | regexp "(.*)"`, 17, "group with a name")
	f(`{a="b"} | pattern "<a><b>"`, 18, "tells them apart")
	f(`{a="b"} | pattern "abc"`, 18, "no <name>")
	f(`{a="b"} |> "<a>"`, 11, "no names")
	f(`{a="b"} |= ip("1.2.3")`, 14, "no address")
	f(`{a="b"} | line_format "{{.x"`, 22, "unclosed")
	f(`{a="b"} | line_format "{{template \"template\"}}"`, 22, "cannot call")
	f(`{a="b"} | label_format x=y, x=z`, 28, "twice")
	f(`{a="b"} | distinct x`, 10, "not part")
	f(`rate({a="b"})`, 12, "a range")
	f(`rate({a="b"}[5])`, 13, "a duration")
	f(`rate({a="b"}[5m][5m])`, 16, "already")
	f(`rate({a="b"}[5m]) by (x)`, 18, "no grouping")
	f(`count_over_time({a="b"} | unwrap x [5m])`, 16, "no use for unwrap")
	f(`sum_over_time({a="b"} | unwrap hours(x) [5m])`, 36, "no conversion")
	f(`sum_over_time({a="b"} | unwrap x | json [5m])`, 33, "only conditions")
	f(`sum({a="b"})`, 4, "not log lines")
	f(`{a="b"} + 1`, 8, "nothing to compute")
	f(`topk(0, vector(1))`, 5, "at least 1")
	f(`1 and vector(1)`, 2, "between series")
	f(`vector(1) + bool vector(1)`, 12, "comparisons only")
	f(`nonsense(1)`, 0, "no function")
	f(`sort(vector(1)) by (x)`, 16, "no grouping")
	f(`label_replace(vector(1), "1x", "", "", "")`, 25, "not the name")
	f(strings.Repeat("(", 200), 100, "nested")
	f(`{a="b"}`+strings.Repeat(` |= "x"`, 3000), 7001, "too many parts")
}

// FuzzParse checks that what is parsed prints to the same again, and that it is
// executed without a panic and within its budgets.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"testdata/logs.txt", "testdata/metrics.txt"} {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			if at := strings.IndexAny(line, "{("); strings.HasPrefix(line, "eval ") && at > 0 {
				f.Add(line[strings.LastIndexByte(line[:at], ' ')+1:])
			}
		}
	}
	b := backends[querytest.Contract](f)
	loadScript(f, b)
	engine := New(b.Reader, b.Catalog, Limits{})
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src)
		if err != nil {
			var syntax *query.SyntaxError
			if !errors.As(err, &syntax) || syntax.Pos < 0 || syntax.Pos > len(src) {
				t.Fatalf("Parse(%q): %v has no place", src, err)
			}
			return
		}
		printed := e.String()
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("Parse(%q) prints %q, which does not parse: %v", src, printed, err)
		}
		if again.String() != printed {
			t.Fatalf("Parse(%q) prints %q, which prints %q", src, printed, again)
		}
		ctx := t.Context()
		if lines, ok := e.(*LogExpr); ok {
			_, err = engine.Logs(ctx, LogQuery{Expr: lines, Start: uint64(base.UnixNano()), End: uint64(base.Add(time.Hour).UnixNano())})
		} else {
			_, err = engine.Metric(ctx, MetricQuery{Expr: e, Start: base, End: base.Add(3 * time.Minute), Step: time.Minute})
		}
		var limit *LimitError
		var eval *EvalError
		if err != nil && !errors.As(err, &limit) && !errors.As(err, &eval) {
			t.Fatalf("executing %q: %v", src, err)
		}
	})
}

// loadScript loads the records of a script.
func loadScript(t testing.TB, b backend) {
	t.Helper()
	src, err := os.ReadFile("testdata/logs.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(src)) {
		if rest, ok := strings.CutPrefix(line, "log "); ok {
			load(t, b, scriptLog(t, strings.TrimSuffix(rest, "\n")))
		}
	}
	if err := b.loaded(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// unplanned gives all records of the time asked for, whatever the condition.
type unplanned struct{ *storetest.Memory }

func (u unplanned) Logs(ctx context.Context, q store.Query) iter.Seq2[*store.Log, error] {
	q.Where, q.Need = nil, 0
	return u.Memory.Logs(ctx, q)
}

// TestPlansLoseNothing checks that what goes down to the store leaves in all that
// the pipeline lets through.
func TestPlansLoseNothing(t *testing.T) {
	m := &storetest.Memory{}
	loadScript(t, backend{m, m, m.Append, func(context.Context) error { return nil }})
	naive := New(unplanned{m}, nil, Limits{})
	planned := map[string]*Engine{}
	for name, open := range backends {
		b := open(t)
		loadScript(t, b)
		planned[name] = New(b.Reader, b.Catalog, Limits{})
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	found := 0
	for range 1500 {
		src := randomQuery(rng)
		e, err := ParseLog(src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		q := LogQuery{Expr: e, Start: uint64(base.UnixNano()), End: uint64(base.Add(time.Hour).UnixNano()), Limit: 1 + rng.IntN(8), Forward: rng.IntN(2) == 0}
		want, err := naive.Logs(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		found += len(want.Entries)
		for name, engine := range planned {
			got, err := engine.Logs(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.Entries, got.Entries); diff != "" {
				t.Fatalf("seed %d: %s: %s, limit %d, forward %v (-want +got):\n%s", seed, name, src, q.Limit, q.Forward, diff)
			}
		}
	}
	if found < 500 {
		t.Errorf("the queries found %d lines only; they show little", found)
	}
}

func randomQuery(rng *rand.Rand) string {
	pick := func(words ...string) string { return words[rng.IntN(len(words))] }
	selector := pick(`{service_name=~".+"}`, `{service_name=~".+"}`, `{service_name="shop"}`, `{service_name=~"cart|unknown.*"}`, `{job="mail"}`, `{k8s_pod_name!=""}`,
		`{service_name!="", service_name!="shop", k8s_pod_name=~"shop-.|"}`, `{service_name=~".+", job!="mail"}`, `{service_name=~".+", k8s_pod_name!~"shop-1"}`)
	var b strings.Builder
	b.WriteString(selector)
	for range rng.IntN(4) {
		b.WriteString(" " + pick(
			`|= "e"`, `|= "order"`, `|= "failed"`, `|= "7"`, `|= "count"`, `|= "t\":7"`, `|= ""`, `|= "GET" or "POST"`, `!= "level"`,
			`|~ "(?i)ITEMS"`, `|~ "check|refused|20[0-9]"`, `|~ "o.*r"`, `!~ "a"`, `|> "<_> - <_>"`,
			`| detected_level="error"`, `| detected_level=~"warn|debug"`, `| detected_level!="info"`,
			`| http_status="200"`, `| http_status="500" or detected_level="warn"`, `| user_inner="kim"`, `| host_name="h1"`, `| level="debug"`,
			`| service_name="shop"`, `| lib="x"`, `| trace_id="00000000000000000000000000000061"`, `| job=""`,
			`| logfmt`, `| json`, `| unpack`, `| decolorize`, `| drop service_name`, `| line_format "order {{.service_name}}"`, `| label_format host_name="h1"`,
		))
	}
	return b.String()
}
