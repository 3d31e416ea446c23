package collector

import (
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zapgrpc"
	"google.golang.org/grpc/grpclog"
)

// entries is a zap core that keeps what is logged while a configuration is
// read, before there is a logger, so that it can be logged later.
type entries struct {
	zapcore.LevelEnabler
	fields []zapcore.Field
	kept   *keptEntries // shared with the cores that With made
}

type keptEntries struct {
	mu   sync.Mutex
	list []keptEntry
}

type keptEntry struct {
	entry  zapcore.Entry
	fields []zapcore.Field
}

func newEntries() *entries {
	return &entries{LevelEnabler: zapcore.InfoLevel, kept: new(keptEntries)}
}

func (e *entries) With(fields []zapcore.Field) zapcore.Core {
	return &entries{e.LevelEnabler, append(e.fields[:len(e.fields):len(e.fields)], fields...), e.kept}
}

func (e *entries) Check(entry zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Enabled(entry.Level) {
		return to.AddCore(entry, e)
	}
	return to
}

func (e *entries) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	all := append(e.fields[:len(e.fields):len(e.fields)], fields...)
	e.kept.list = append(e.kept.list, keptEntry{entry, all})
	return nil
}

func (e *entries) Sync() error { return nil }

// replay logs what was kept, and forgets it.
func (e *entries) replay(core zapcore.Core) {
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	for _, k := range e.kept.list {
		if ce := core.Check(k.entry, nil); ce != nil {
			ce.Write(k.fields...)
		}
	}
	e.kept.list = nil
}

// forget drops the entries with a message.
func (e *entries) forget(message string) {
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	e.kept.list = slices.DeleteFunc(e.kept.list, func(k keptEntry) bool { return k.entry.Message == message })
}

// quiet is a zap core that leaves out three things. Warnings about component
// names that upstream renamed: Signalbox keeps the old names, so there is
// nothing to do about them. Errors of starting, which start returns: they would
// be told twice. And stacks, unless stacks is set or it is a panic: where in this
// program a mistake of a sender or in a file was noticed helps nobody, and is
// sixty lines long.
type quiet struct {
	zapcore.Core
	stacks bool
}

// withoutNoise is the logger option that puts quiet around the core.
func withoutNoise(stacks bool) zap.Option {
	return zap.WrapCore(func(c zapcore.Core) zapcore.Core { return quiet{c, stacks} })
}

func (q quiet) With(fields []zapcore.Field) zapcore.Core { return quiet{q.Core.With(fields), q.stacks} }

func (q quiet) Check(entry zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	switch {
	case entry.Level == zapcore.WarnLevel && strings.Contains(entry.Message, "alias is deprecated; use "),
		entry.Level == zapcore.ErrorLevel && strings.HasPrefix(entry.Message, "Failed to start "):
		return to
	case q.stacks || entry.Level >= zapcore.DPanicLevel:
		return q.Core.Check(entry, to)
	}
	if checked := q.Core.Check(entry, nil); checked != nil {
		return to.AddCore(entry, stackless{q.Core, checked})
	}
	return to
}

// stackless writes one entry that another core has checked, without the stack
// that loggers add to it after the check.
type stackless struct {
	zapcore.Core
	checked *zapcore.CheckedEntry
}

func (s stackless) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	entry.Stack = ""
	s.checked.Entry = entry
	s.checked.Write(fields...)
	return nil
}

// grpcLogger writes the logs of the gRPC library, which has one logger for the
// process, and none of its chatter: its verbosity is a scale of its own, which
// zapgrpc takes for a level.
type grpcLogger struct{ *zapgrpc.Logger }

func (grpcLogger) V(level int) bool { return level <= 0 }

// logGRPC sends the gRPC library's logs from warnings up to l.
func logGRPC(l *zap.Logger) {
	warnings := zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		if raised, err := zapcore.NewIncreaseLevelCore(c, zapcore.WarnLevel); err == nil {
			return raised
		}
		return c // logs less than warnings
	})
	l = l.WithOptions(warnings, zap.Fields(zap.Bool("grpc_log", true)), zap.AddCallerSkip(5))
	grpclog.SetLoggerV2(grpcLogger{zapgrpc.NewLogger(l)})
}
