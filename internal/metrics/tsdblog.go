package metrics

import (
	"context"
	"log/slog"
)

// replayedTie is what the TSDB warns of for each exemplar that it had turned
// down when it came: two of one series in the same millisecond, which spans have
// often. It writes both into its log, keeps the one with the larger value, and is
// surprised by the other when it reads its log.
const replayedTie = "Unexpected error when replaying WAL on exemplar record"

// tsdbLog is the log of the TSDB without warnings about which nobody can do
// anything: they become messages for developers.
type tsdbLog struct{ slog.Handler }

// Handle writes the record.
func (l tsdbLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == replayedTie {
		if r.Level = slog.LevelDebug; !l.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l tsdbLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return tsdbLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l tsdbLog) WithGroup(name string) slog.Handler { return tsdbLog{l.Handler.WithGroup(name)} }
