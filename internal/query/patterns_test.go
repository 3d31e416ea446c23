package query

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// logged gives an engine over log records with the bodies given, one a second.
func logged(t *testing.T, bodies ...string) *Engine {
	t.Helper()
	b := backends[querytest.Head](t)
	batch := &store.Batch{Kind: store.Logs}
	for i, body := range bodies {
		batch.Logs = append(batch.Logs, scriptLog(t, fmt.Sprintf("api %ds 9 - | %s", i, "x")))
		batch.Logs[i].Body = store.StringValue(body)
	}
	load(t, b, batch)
	return New(b.Reader, b.Catalog, b.Follower, Limits{}).WithClock(func() time.Time { return base.Add(10 * time.Minute) })
}

func TestPatterns(t *testing.T) {
	var bodies []string
	for i, user := range []string{"ada", "bob", "cyd", "dan", "eve", "fay", "gus"} {
		bodies = append(bodies, fmt.Sprintf("user %s logged in from 10.0.0.%d", user, i), fmt.Sprintf("took %dms id=%x", i, 1<<40+i))
	}
	bodies = append(bodies, "insert failed", "insert done", "", "a  \"b c\" 'd'", strings.Repeat("long ", 500)+"1", strings.Repeat("long ", 500)+"2", "١٢ نص", "(.*)[")
	e := logged(t, bodies...)
	found, err := e.Patterns(t.Context(), PatternSearch{Start: at(0), End: at(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range found.Patterns {
		got = append(got, fmt.Sprintf("%d %.60s", p.Count, p.Template))
	}
	want := []string{
		"7 took <*> id=<*>",
		"7 user <*> logged in from <*>",
		"2 long long long long long long long long long long long long ",
		"1 ",
		"1 (.*)[",
		"1 <*> نص",
		`1 a "b c" <*>`,
		"1 insert done",
		"1 insert failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("patterns (-want +got):\n%s", diff)
	}
	if found.Records != uint64(len(bodies)) || found.Distinct != len(want) {
		t.Errorf("got %d records in %d forms; want %d in %d", found.Records, found.Distinct, len(bodies), len(want))
	}
}

// TestPatternConditions asks with the condition of each form, and wants the
// records that were counted for it.
func TestPatternConditions(t *testing.T) {
	e := logged(t, "GET /a/1 200", "GET /a/2 200", "POST /a 500", " padded 7 ", strings.Repeat("w ", 60)+"7", `say "yes \ no" x`, "a+b (c) 1")
	found, err := e.Patterns(t.Context(), PatternSearch{Start: at(0), End: at(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found.Patterns {
		text := Format(store.Logs, p.Where)
		where, err := Parse(store.Logs, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var report store.Report
		n := uint64(0)
		for _, err := range e.SearchLogs(t.Context(), LogSearch{Start: at(0), End: at(time.Hour), Where: where}, &report) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != p.Count {
			t.Errorf("%q: got %d records with %s; want %d", p.Template, n, text, p.Count)
		}
	}
}

func TestLogsAround(t *testing.T) {
	var bodies []string
	for i := range 100 {
		bodies = append(bodies, fmt.Sprint(i))
	}
	e := logged(t, bodies...)
	f := func(second, limit int, want string) {
		t.Helper()
		var report store.Report
		logs, err := e.LogsAround(t.Context(), AroundSearch{At: at(time.Duration(second) * time.Second), Limit: limit}, &report)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range logs {
			got = append(got, l.Body.Str())
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("around %d s: got %s; want %s", second, text, want)
		}
	}
	f(50, 2, "52 51 50 49 48")
	f(0, 3, "3 2 1 0")
	f(99, 1, "99 98")
	f(1000, 1, "99")
}
