package query

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// compareValues lets cmp look into store.Value.
var compareValues = cmp.Comparer(func(a, b store.Value) bool { return a == b })

// TestParseGolden gives for each condition its one form as Format writes it.
func TestParseGolden(t *testing.T) {
	f := func(kind store.Kind, in, want string) {
		t.Helper()
		e, err := Parse(kind, in)
		if err != nil {
			t.Errorf("Parse(%s, %q): %v", kind, in, err)
			return
		}
		got := Format(kind, e)
		if got != want {
			t.Errorf("Parse(%s, %q): got %s; want %s", kind, in, got, want)
		}
		again, err := Parse(kind, got)
		if err != nil {
			t.Errorf("Parse(%s, %q), printed from %q: %v", kind, got, in, err)
		} else if diff := cmp.Diff(e, again, compareValues); diff != "" {
			t.Errorf("Parse(%s, %q) does not round-trip (-first +second):\n%s", kind, in, diff)
		}
	}
	spans := func(in, want string) { t.Helper(); f(store.Spans, in, want) }
	logs := func(in, want string) { t.Helper(); f(store.Logs, in, want) }

	spans(``, ``)
	spans(` { } `, ``)
	spans(`{true}`, `true`)
	spans(`{ false }`, `false`)
	spans(`{ resource.service.name = "checkout" && span.http.status_code >= 500 && duration > 40ms || .db.system != "redis" }`,
		`resource.service.name = "checkout" && span.http.status_code >= 500 && duration > 40ms || .db.system != "redis"`)
	spans(`.a = 1 && (.b = 2 || .c = 3)`, `.a = 1 && (.b = 2 || .c = 3)`)
	spans(`(.a = 1 && (.b = 2)) && .c = 3`, `.a = 1 && .b = 2 && .c = 3`)
	spans(`!(.a = 1 || .b = 2)`, `!(.a = 1 || .b = 2)`)
	spans(`!.a = 1`, `!(.a = 1)`)
	spans(`! ! .a = 1`, `!(!(.a = 1))`)
	spans(`status = error`, `status = error`)
	spans(`span:status != OK`, `status != ok`)
	spans(`kind=server`, `kind = server`)
	spans(`kind = 9`, `kind = 9`)
	spans(`name =~ "GET.*"`, `name =~ "GET.*"`)
	spans("name !~ `a\\.b`", `!(name =~ "a\\.b")`)
	spans(`span.x !~ "a"`, `span.x != nil && !(span.x =~ "a")`)
	spans(`name = 500`, `name = "500"`)
	spans(`statusMessage = nil`, `statusMessage = ""`)
	spans(`.x = nil`, `.x = nil`)
	spans(`.x != nil`, `.x != nil`)
	spans(`event:name = nil`, `event:name = nil`)
	spans(`!(.x != nil)`, `.x = nil`)
	spans(`span:parentID = nil`, `span:parentID = ""`)
	spans(`nestedSetParent < 0`, `span:parentID = ""`)
	spans(`trace:id = "ABC"`, `trace:id = "00000000000000000000000000000abc"`)
	spans(`spanID = 1e5`, `span:id = "00000000000001e5"`)
	spans(`instrumentation:name = "x" && instrumentation.y = 1`, `instrumentation:name = "x" && instrumentation.y = 1`)
	spans(`event.exception.type = "E" && link.z = true`, `event.exception.type = "E" && link.z = true`)
	spans(`.a = 1.5 && .b = -3 && .c = 1e3 && .d = 2h && .e = false`, `.a = 1.5 && .b = -3 && .c = 1000.0 && .d = 7200000000000 && .e = false`)
	spans(`500 <= span.code`, `span.code >= 500`)
	spans(`"x" = name`, `name = "x"`)
	spans(`{ span.ok }`, `span.ok = true`)
	spans(`span."my attr" = "a\"b"`, `span."my attr" = "a\"b"`)
	spans(`span.a."b c".d = 1`, `span."a.b c.d" = 1`)
	spans(`."x" = 1`, `.x = 1`)
	spans(`http.route = "/x"`, `.http.route = "/x"`)
	spans(`http.route=/cart status=error duration>200ms`, `.http.route = "/cart" && status = error && duration > 200ms`)
	spans(`checkout cart`, `"checkout" && "cart"`)
	spans(`(checkout || .a = 1 || "b") && c`, `("checkout" || .a = 1 || "b") && "c"`)
	spans(`!checkout`, `!("checkout")`)
	spans(`a OR b AND NOT c`, `"a" || "b" && !("c")`)
	spans(`name = "naïve — 日本"`, `name = "naïve — 日本"`)
	spans("name = \"a\nb\"", `name = "a\nb"`)
	spans(`log.x = 1`, `.log.x = 1`)

	logs(`severity >= warn`, `severity >= 13`)
	logs(`severity > warn`, `severity > 16`)
	logs(`severity = error`, `severity >= 17 && severity <= 20`)
	logs(`severity != error`, `severity < 17 || severity > 20`)
	logs(`severity < Warning`, `severity < 13`)
	logs(`severity <= 9`, `severity <= 9`)
	logs(`timeout "connection reset"`, `"timeout" && "connection reset"`)
	logs(`body = "x" || body =~ ".*y.*"`, `body = "x" || body =~ ".*y.*"`)
	logs(`log.user.id = 7 && resource.k8s.pod.name = "p" && .z != nil`, `log.user.id = 7 && resource.k8s.pod.name = "p" && .z != nil`)
	logs(`log.file.path = "/x"`, `.log.file.path = "/x"`)
	logs(`log."file.path" = "/x"`, `log."file.path" = "/x"`)
	logs(`status = 500`, `.status = 500`)
	logs(`trace:id = nil`, `trace:id = "00000000000000000000000000000000"`)
	logs(`eventName = "e"`, `event:name = "e"`)
}

func TestParseErrors(t *testing.T) {
	f := func(kind store.Kind, in string, pos int, want string) {
		t.Helper()
		e, err := Parse(kind, in)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q): got %v, %v; want a SyntaxError", in, e, err)
			return
		}
		if syntax.Pos != pos || !strings.Contains(syntax.Msg, want) {
			t.Errorf("Parse(%q): got %q at %d; want %q at %d", in, syntax.Msg, syntax.Pos, want, pos)
		}
	}
	spans := func(in string, pos int, want string) { t.Helper(); f(store.Spans, in, pos, want) }

	spans(`{ .a = 1`, 8, "the closing } is missing")
	spans(`.a = 1 }`, 7, "} is not expected here")
	spans(`(.a = 1`, 7, "the closing ) is missing")
	spans(`.a = 1)`, 6, "closes nothing")
	spans(`.a =`, 4, "a value is missing behind =")
	spans(`.a = = 1`, 5, "a value is missing behind =")
	spans(`.a = 1 &&`, 9, "a condition is missing here")
	spans(`.a = 1 & .b = 2`, 7, "write && for and")
	spans(`.a ~ "x"`, 3, "write =~")
	spans(`name = "x`, 7, `the closing " of this text is missing`)
	spans(`name = "\q"`, 7, "unknown escape")
	spans("name = a\xffb", 8, "not valid UTF-8")
	spans(`name = a'b`, 8, "put text into double quotes")
	spans(`statsu = error`, 0, "did you mean status?")
	spans(`Duration > 1s`, 0, "did you mean duration?")
	spans(`resorce.service.name = "x"`, 0, "did you mean resource.service.name?")
	spans(`span:nam = "x"`, 0, "did you mean span:name?")
	spans(`span:banana = "x"`, 0, "there are span:duration, span:id")
	spans(`status = eror`, 9, "did you mean error?")
	spans(`status > ok`, 7, "goes with = and !=")
	spans(`kind =~ "s.*"`, 5, "goes with = and !=")
	spans(`duration > 40`, 11, "takes a number with a unit")
	spans(`duration =~ "4.*"`, 9, "is a number")
	spans(`duration = nil`, 11, "never nil")
	spans(`.a > nil`, 3, "nil only goes with")
	spans(`.a > true`, 3, "only go with = and !=")
	spans(`.a =~ 5`, 6, "a regular expression is text")
	spans(`.a =~ "("`, 6, "missing closing )")
	spans(`.a = span.b`, 5, "comparing two fields")
	spans(`1 = 1`, 0, "the left side is a value")
	spans(`.a = 1e999`, 5, "too large")
	spans(`span. = 1`, 0, "the name of the attribute is missing")
	spans(`traceDuration > 1s`, 0, "minDuration")
	spans(`rootName = "x"`, 0, "one span at a time")
	spans(`parent.x = 1`, 0, "one span at a time")
	spans(`{ .a = 1 } && { .b = 2 }`, 11, "one pair of braces")
	spans(`{ .a = 1 } | count() > 2`, 11, "has no pipeline")
	spans(`.a = 1 && { .b = 2 }`, 10, "braces only go around")
	spans(`nestedSetParent > 5`, 16, "only tells roots")
	spans(strings.Repeat("(", 200)+".a", 100, "nested more than 100 deep")
	spans(strings.Repeat("!", 200)+".a", 100, "nested more than 100 deep")
	spans(strings.Repeat("x ", 501), 1000, "more than 500 conditions")
	spans(strings.Repeat("x", 20_000), 16<<10, "longer than")
	f(store.Logs, `severity >= wran`, 12, "did you mean warn?")
	f(store.Logs, `logs.x = 1`, 0, "did you mean log.x?")
}

func TestSyntaxErrorCaret(t *testing.T) {
	_, err := Parse(store.Spans, "{ name = \"ü\" &&\n\tstatsu = error }")
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("got %v; want a SyntaxError", err)
	}
	want := "\tstatsu = error }\n\t^\nunknown field statsu; did you mean status? For an attribute of that very name write .statsu"
	if got := syntax.Caret(); got != want {
		t.Errorf("Caret: got\n%s\nwant\n%s", got, want)
	}
	if got := syntax.Error(); !strings.HasPrefix(got, "at character 18: unknown field") {
		t.Errorf("Error: got %s", got)
	}
}

// TestFormatForeign prints conditions that were not parsed: they read back as
// conditions that mean the same.
func TestFormatForeign(t *testing.T) {
	attr := store.Field{Place: store.RecordAttr, Name: "x"}
	f := func(e store.Expr, want string) {
		t.Helper()
		got := Format(store.Spans, e)
		if got != want {
			t.Errorf("Format(%v): got %s; want %s", e, got, want)
		}
		if _, err := Parse(store.Spans, got); err != nil {
			t.Errorf("Parse(%s): %v", got, err)
		}
	}
	f(store.Cond{Field: attr, Op: store.Contains, Value: store.StringValue("a.b")}, `span.x =~ ".*a\\.b.*"`)
	f(store.Cond{Field: attr, Op: store.ContainsFold, Value: store.StringValue("a")}, `span.x =~ "(?i).*a.*"`)
	f(store.And{store.Or{store.And{}, store.Or{}}, store.And{}}, `(true || false) && true`)
	f(store.And{store.Or{store.Or{store.Cond{Field: attr, Op: store.Exists}, store.And{}}}}, `(span.x != nil || true)`)
}

func TestParseField(t *testing.T) {
	f := func(kind store.Kind, name string, want store.Field) {
		t.Helper()
		got, err := ParseField(kind, name)
		if err != nil || got != want {
			t.Errorf("ParseField(%s, %q): got %v, %v; want %v", kind, name, got, err, want)
		}
	}
	f(store.Spans, "name", store.Field{Name: store.FieldName})
	f(store.Spans, "resource.service.name", store.Field{Place: store.ResourceAttr, Name: "service.name"})
	f(store.Logs, `log."a b"`, store.Field{Place: store.RecordAttr, Name: "a b"})
	f(store.Logs, "http.route", store.Field{Place: store.AnyAttr, Name: "http.route"})
	for _, bad := range []string{"", "a b", `"x"`, "a = 1", "statsu"} {
		if got, err := ParseField(store.Spans, bad); err == nil {
			t.Errorf("ParseField(%q): got %v; want an error", bad, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{ resource.service.name = "a" && duration > 40ms || !(.b =~ "x.*") }`, `timeout severity >= warn`,
		`span."a b" != nil && 5 < .x`, "`raw` OR .y = 1e-7", `trace:id = "AB" nestedSetParent < 0 event:name !~ "e"`,
		`.x = 9223372036854775808`, `log.file.path = -0.0`, `{true}`,
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, src string, logs bool) {
		kind := store.Spans
		if logs {
			kind = store.Logs
		}
		e, err := Parse(kind, src)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Pos < 0 || syntax.Pos > len(src) {
				t.Fatalf("Parse(%q): error %v is no SyntaxError with a position", src, err)
			}
			_, _ = syntax.Caret(), syntax.Error()
			return
		}
		if _, err := store.NewMatcher(e); err != nil {
			t.Fatalf("Parse(%q): the store refuses it: %v", src, err)
		}
		text := Format(kind, e)
		again, err := Parse(kind, text)
		if err != nil && len(text) <= maxQueryBytes {
			t.Fatalf("Parse(%q), printed from %q: %v", text, src, err)
		}
		if err == nil && !cmp.Equal(e, again, compareValues) {
			t.Fatalf("%q does not round-trip through %q:\n%s", src, text, cmp.Diff(e, again, compareValues))
		}
	})
}
