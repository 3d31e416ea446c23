package logql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/signalbox-otel/signalbox/internal/ingest"
	"github.com/signalbox-otel/signalbox/internal/query"
	"github.com/signalbox-otel/signalbox/internal/query/querytest"
	"github.com/signalbox-otel/signalbox/internal/store"
)

// base is the instant that the times of scripts are counted from.
var base = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// TestScripts runs testdata/*.txt. A script loads records with lines
//
//	log time severity [key=value...] | body
//
// where resource.key is an attribute of the resource, scope.key one of the scope,
// a value of digits is a number, and a body after || is JSON that becomes a body
// with structure. It asks with
//
//	eval logs [forward] [limit=n] query
//	eval at time query
//	eval range start end step query
//
// followed by the answer up to an empty line. Times count from 10:00; questions
// about lines are about 10:00 to 11:00. Run with UPDATE=1 to write the answers.
//
// The same answers come from the contract in its simplest form, from the store's
// memory and from its blocks.
func TestScripts(t *testing.T) {
	querytest.Scripts(t, backends, func(t *testing.T, b backend) querytest.Line {
		engine := New(b.Reader, b.Catalog, Limits{Series: 6})
		return func(word, rest string) (string, bool) {
			switch word {
			case "log":
				load(t, b, scriptLog(t, rest))
				return "", false
			case "eval":
				if err := b.loaded(t.Context()); err != nil {
					t.Fatal(err)
				}
				return ask(t, engine, rest), true
			}
			t.Fatalf("unknown word %q before %q", word, rest)
			return "", false
		}
	})
}

// backend is what a script loads and asks.
type backend struct {
	query.Reader
	query.Catalog
	append func(context.Context, *store.Batch) error
	loaded func(context.Context) error // called before the first question
}

var backends = querytest.Backends(func(s interface {
	query.Reader
	query.Catalog
}, append func(context.Context, *store.Batch) error, loaded func(context.Context) error) backend {
	return backend{s, s, append, loaded}
})

func load(t testing.TB, b backend, ld plog.Logs) {
	t.Helper()
	batch, err := ingest.Logs(ld)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func scriptTime(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return base.Add(d)
}

func scriptLog(t testing.TB, line string) plog.Logs {
	t.Helper()
	head, body, _ := strings.Cut(line, "|")
	fields := strings.Fields(head)
	ld := plog.NewLogs()
	rl := ld.ResourceLogs().AppendEmpty()
	sl := rl.ScopeLogs().AppendEmpty()
	l := sl.LogRecords().AppendEmpty()
	l.SetTimestamp(pcommon.NewTimestampFromTime(scriptTime(t, fields[0])))
	if n, err := strconv.Atoi(fields[1]); err == nil {
		l.SetSeverityNumber(plog.SeverityNumber(n))
	} else {
		l.SetSeverityText(fields[1])
	}
	for _, f := range fields[2:] {
		key, value, _ := strings.Cut(f, "=")
		to := l.Attributes()
		if k, ok := strings.CutPrefix(key, "resource."); ok {
			to, key = rl.Resource().Attributes(), k
		} else if k, ok := strings.CutPrefix(key, "scope."); ok {
			to, key = sl.Scope().Attributes(), k
		}
		if key == "trace" {
			l.SetTraceID(pcommon.TraceID{15: value[0]})
		} else if n, err := strconv.Atoi(value); err == nil {
			to.PutInt(key, int64(n))
		} else if m, ok := strings.CutPrefix(value, "map:"); ok {
			to.PutEmptyMap(key).PutStr("inner", m)
		} else {
			to.PutStr(key, value)
		}
	}
	if structured, ok := strings.CutPrefix(body, "|"); ok {
		var u plog.JSONUnmarshaler
		encoded := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":` + strings.TrimSpace(structured) + `}]}]}]}`
		parsed, err := u.UnmarshalLogs([]byte(encoded))
		if err != nil {
			t.Fatal(err)
		}
		parsed.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().CopyTo(l.Body())
		return ld
	}
	l.Body().SetStr(strings.ReplaceAll(strings.TrimPrefix(body, " "), `\e`, "\x1b"))
	return ld
}

// ask answers one question.
func ask(t *testing.T, e *Engine, question string) string {
	t.Helper()
	kind, rest, _ := strings.Cut(question, " ")
	var answer string
	var err error
	switch kind {
	case "logs":
		q := LogQuery{Start: uint64(base.UnixNano()), End: uint64(base.Add(time.Hour).UnixNano())}
		for {
			word, after, _ := strings.Cut(rest, " ")
			if n, ok := strings.CutPrefix(word, "limit="); ok {
				q.Limit, _ = strconv.Atoi(n)
			} else if word == "forward" {
				q.Forward = true
			} else {
				break
			}
			rest = after
		}
		answer, err = askLogs(t, e, q, rest)
	case "at":
		at, text, _ := strings.Cut(rest, " ")
		q := MetricQuery{Start: scriptTime(t, at), End: scriptTime(t, at)}
		answer, err = askMetric(t, e, q, text)
	case "range":
		words := strings.SplitN(rest, " ", 4)
		q := MetricQuery{Start: scriptTime(t, words[0]), End: scriptTime(t, words[1]), Step: scriptTime(t, words[2]).Sub(base)}
		answer, err = askMetric(t, e, q, words[3])
	default:
		t.Fatalf("unknown question %q", kind)
	}
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	return answer
}

func askLogs(t *testing.T, e *Engine, q LogQuery, text string) (string, error) {
	var err error
	if q.Expr, err = ParseLog(text); err != nil {
		return "", err
	}
	a, err := e.Logs(t.Context(), q)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, x := range a.Entries {
		parsed := ""
		if len(x.Parsed) > 0 {
			parsed = " parsed" + x.Parsed.String()
		}
		meta := slices.DeleteFunc(x.Metadata, func(l Label) bool { return strings.HasPrefix(l.Name, "severity") })
		fmt.Fprintf(&b, "%s %s %s%s %q\n", time.Unix(0, int64(x.At)).Sub(base), x.Stream, meta, parsed, x.Line)
	}
	return b.String(), nil
}

func askMetric(t *testing.T, e *Engine, q MetricQuery, text string) (string, error) {
	var err error
	if q.Expr, err = Parse(text); err != nil {
		return "", err
	}
	m, err := e.Metric(t.Context(), q)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range m.Series {
		b.WriteString(s.Labels.String())
		for _, v := range s.Values {
			if Missing(v) {
				b.WriteString(" _")
			} else {
				b.WriteString(" " + strconv.FormatFloat(v, 'g', 6, 64))
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
