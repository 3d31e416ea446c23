package operator

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
)

// bridge hands logs of Kubernetes' libraries to ours. What they call info, a line
// for each watch and worker, tells developers, and their errors are tried again.
func bridge(l *slog.Logger) logr.Logger { return logr.FromSlogHandler(quieter{l.Handler()}) }

// quieter logs info as debug and errors as warnings.
type quieter struct{ slog.Handler }

// Enabled says whether a record would be logged at its lower level.
func (q quieter) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, lower(level))
}

// Handle logs a record at its lower level.
func (q quieter) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	return q.Handler.Handle(ctx, r)
}

// WithAttrs keeps the levels low.
func (q quieter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the levels low.
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }

func lower(level slog.Level) slog.Level {
	switch level {
	case slog.LevelInfo:
		return slog.LevelDebug
	case slog.LevelError:
		return slog.LevelWarn
	}
	return level
}
