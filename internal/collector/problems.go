package collector

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/signalbox-otel/signalbox/internal/server"
)

// problems keeps the latest warnings and errors that components logged, so that
// the page can show them beside the component. Equal ones are one, counted.
type problems struct {
	mu   sync.Mutex
	kept []server.Problem // the latest last; at most maxProblems
}

// What is kept is bounded: a log is elsewhere.
const (
	maxProblems    = 100
	maxProblemText = 1000 // bytes of a message, and of its detail
)

func newProblems() *problems { return new(problems) }

// option is the logger option that watches what is logged.
func (p *problems) option() zap.Option {
	return zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewTee(&problemCore{to: p}, c) })
}

// list gives the problems, the latest first.
func (p *problems) list() []server.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := slices.Clone(p.kept)
	slices.Reverse(list)
	return list
}

func (p *problems) add(n server.Problem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n.Count = 1
	same := func(o server.Problem) bool {
		o.Last, o.Count = n.Last, n.Count
		return o == n
	}
	if i := slices.IndexFunc(p.kept, same); i >= 0 {
		n.Count += p.kept[i].Count
		p.kept = slices.Delete(p.kept, i, i+1)
	} else if len(p.kept) == maxProblems {
		p.kept = slices.Delete(p.kept, 0, 1)
	}
	p.kept = append(p.kept, n)
}

// problemCore is a zap core that adds warnings and errors to problems.
type problemCore struct {
	fields []zapcore.Field
	to     *problems
}

// Enabled implements zapcore.LevelEnabler.
func (c *problemCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c *problemCore) With(fields []zapcore.Field) zapcore.Core {
	return &problemCore{append(c.fields[:len(c.fields):len(c.fields)], fields...), c.to}
}

func (c *problemCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// problemDetails are the fields that say what a problem is about. Others may
// differ each time, or hold what was sent.
var problemDetails = []string{"error", "err", "target_labels", "findings", "finding"}

func (c *problemCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.fields, fields) {
		f.AddTo(values)
	}
	text := func(key string) string {
		if v, ok := values.Fields[key]; ok {
			return fmt.Sprint(v)
		}
		return ""
	}
	var details []string
	for _, key := range problemDetails {
		if v := text(key); v != "" {
			details = append(details, v)
		}
	}
	level := "error"
	if e.Level == zapcore.WarnLevel {
		level = "warn"
	}
	c.to.add(server.Problem{
		Last: e.Time, Level: level,
		Kind:      strings.ToLower(text("otelcol.component.kind")),
		Component: text("otelcol.component.id"),
		Signal:    text("otelcol.signal"),
		Message:   short(e.Message),
		Detail:    short(strings.Join(details, "; ")),
	})
	return nil
}

func (c *problemCore) Sync() error { return nil }

// short cuts text that is longer than anybody reads.
func short(text string) string {
	if len(text) <= maxProblemText {
		return text
	}
	return strings.ToValidUTF8(text[:maxProblemText], "") + "…"
}
