package traceql

import (
	"errors"
	"strings"
	"testing"

	"github.com/signalbox-otel/signalbox/internal/query"
)

func TestParseWritesBack(t *testing.T) {
	f := func(src, want string) {
		t.Helper()
		q, err := Parse(src)
		if err != nil {
			t.Errorf("Parse(%q): %v", src, err)
			return
		}
		if got := q.String(); got != want {
			t.Errorf("Parse(%q): got %s; want %s", src, got, want)
		}
	}
	f("", "{ }")
	f(`{.a="x"}`, `{ .a = "x" }`)
	f("{ .a = 1 /* one */ && // and\n .b = 2 } // end", `{ .a = 1 && .b = 2 }`)
	f("{ span:name = `x` }", `{ name = "x" }`)
	f(`{ trace:rootService = "a" && trace:duration > 1h30m }`, `{ rootServiceName = "a" && traceDuration > 1h30m0s }`)
	f(`{ span."my attr" = 1 && parent.resource.x = 1.50 && parent."resource.x" = -2 }`, `{ span."my attr" = 1 && parent.resource.x = 1.5 && parent."resource.x" = -2 }`)
	f(`{ span.a-b/c = 1 && event."5x" != nil && ."5x" = 1 }`, `{ span.a-b/c = 1 && event.5x != nil && ."5x" = 1 }`)
	// And and or bind alike, from the left.
	f(`{ .a || .b && .c }`, `{ .a || .b && .c }`)
	f(`{ .a || (.b && .c) }`, `{ .a || (.b && .c) }`)
	f(`{ (.a || .b) && .c }`, `{ .a || .b && .c }`)
	f(`{ .a + 2 * .b ^ 2 ^ 3 > (1 + 2) * 3 - 1 }`, `{ .a + 2 * .b ^ 2 ^ 3 > (1 + 2) * 3 - 1 }`)
	f(`{ -(.a) * -5 < -(-1) && !(!.b) }`, `{ -.a * (-5) < 1 && !(!.b) }`)
	f(`{ nestedSetParent < 0 || 0 <= nestedSetParent || nestedSetParent > 3 }`, `{ span:parentID = nil || span:parentID != nil || nestedSetParent > 3 }`)
	f(`{} >> {} && {} > {}`, `{ } >> { } && { } > { }`)
	f(`{} >> ({} && {}) !~ {}`, `{ } >> ({ } && { }) !~ { }`)
	f(`({} | count() > 2) || {} &<< {}`, `({ } | count() > 2) || { } &<< { }`)
	f(`(({}))`, `{ }`)
	f(`{} | by(status) | coalesce() | select(span.x,name) | avg(duration)*2 >= 1d2h`, `{ } | by(status) | coalesce() | select(span.x, name) | avg(duration) * 2 >= 26h0m0s`)
	f(`{} | rate()`, `{ } | rate()`)
	f(`{} | quantile_over_time(duration, .99, 0.5, 1) by (span.x, kind) | topk(3) with (sample=true, x="y")`, `{ } | quantile_over_time(duration, 0.99, 0.5, 1.0) by (span.x, kind) | topk(3) with (sample = true, x = "y")`)
	f(`{} | count_over_time() > 3`, `{ } | count_over_time() > 3`)
	f(`{} | compare({ status = error })`, `{ } | compare({ status = error }, 10)`)
	f(`{} | compare({ }, 5, 10, 20)`, `{ } | compare({ }, 5, 10, 20)`)
}

func TestSyntaxErrors(t *testing.T) {
	f := func(src string, pos int, want string) {
		t.Helper()
		_, err := Parse(src)
		var syntax *query.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q): got %v; want a syntax error", src, err)
			return
		}
		if syntax.Pos != pos || !strings.Contains(syntax.Msg, want) {
			t.Errorf("Parse(%q): got %d %q; want %d, %q in it", src, syntax.Pos, syntax.Msg, pos, want)
		}
	}
	f(`{ statsu = error }`, 2, "did you mean status?")
	f(`{ http.route = "/" }`, 2, "span.http.route")
	f(`{ resorce.x = 1 }`, 2, "did you mean resource.x?")
	f(`{ foo = 1 }`, 2, "span.foo, resource.foo or .foo")
	f(`{ event:nam = "x" }`, 2, "did you mean event:name?")
	f(`{ link:x = "x" }`, 2, "there are link:spanID, link:traceID")
	f(`{ status = "error" }`, 11, "without quotes: error")
	f(`{ duration > "1s" }`, 13, "without quotes")
	f(`{ kind > server }`, 7, "has no order")
	f(`{ name = 3 }`, 7, "text does not compare with a number")
	f(`{ .a =~ 3 }`, 8, "a regular expression is text")
	f(`{ .a =~ "(" }`, 8, "missing closing )")
	f(`{ .a < nil }`, 5, "nil only goes with")
	f(`{ .a && 3 }`, 5, "joins conditions")
	f(`{ duration }`, 2, "a condition is missing")
	f(`{ !duration = 1s }`, 2, "!(...)")
	f(`{ .a = 'x' }`, 7, "double quotes")
	f(`{ .a = }`, 7, "a field or a value is missing")
	f(`{ .a = 1 } /* x`, 11, "closing */")
	f(`{ .a = 1`, 8, "the closing } is missing")
	f(`.a = 1`, 0, "conditions are put into braces: { .a = 1 }")
	f(`{} | coutn() > 1`, 5, "did you mean count?")
	f(`{} | rates()`, 5, "did you mean rate?")
	f(`rate()`, 0, "write {} | rate(...)")
	f(`{} | quantile_over_time(duration)`, 32, "the quantiles are missing")
	f(`{} | avg_over_time(name)`, 19, "takes a number, not text")
	f(`{} | rate() | top(3)`, 14, "topk(n)")
	f(`{} | count()`, 12, "a comparison is missing")
	f(`{} | 1 > 2`, 5, "this compares two numbers")
	f(`{} & {}`, 3, "write && for and")
	f(`{} {}`, 3, "is not expected here")
	f(`{ 1e999 = .a }`, 2, "too large")
	f(`{ .a = 99999y }`, 7, "too long")
	f("{ .a = \xff }", 7, "not valid UTF-8")
	f(strings.Repeat("(", 200)+"{}", 100, "nested more than 100 deep")
	f(strings.Repeat(" ", 17<<10), 16<<10, "longer than")
	if _, err := Parse("{ " + strings.Repeat(".a = 1 || ", 1100) + " .b }"); err == nil || !strings.Contains(err.Error(), "more than 1000 parts") {
		t.Errorf("1,100 conditions: got %.100v; want an error", err)
	}
}

// FuzzParse checks that no text makes the parser panic, and that what it reads
// it reads again from what it writes.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		"", "{ }", `{ span.a = "x" && status = error } >> { parent.b > -1.5e3 } | count() > 2`, "({} | by(kind) | avg(duration) > 1ms) !<< {} | coalesce() | select(name)",
		"{ .a || !.b && (duration * 2) ^ 2 > 1h } | quantile_over_time(duration, .5) by (span.\"x y\") | topk(2) with (a=1)",
		"{} | compare({ status = error }, 3, 1, 2)", "{ -5 ^ 2 > .x - -1 }", "{ `\\` =~ \"\\\"\" }",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		q, err := Parse(src)
		if err != nil {
			var syntax *query.SyntaxError
			if !errors.As(err, &syntax) || syntax.Pos > len(src) {
				t.Fatalf("Parse(%q): %v", src, err)
			}
			_ = syntax.Error()
			return
		}
		text := q.String()
		again, err := Parse(text)
		if err != nil && len(text) <= maxQueryBytes {
			t.Fatalf("Parse(%q) wrote %q: %v", src, text, err)
		}
		if err == nil && again.String() != text {
			t.Fatalf("Parse(%q) wrote %q, then %q", src, text, again.String())
		}
	})
}
