package settings

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// Log is how logs are written.
type Log struct {
	Level slog.Level
	// Encoder is console or json.
	Encoder                       string
	MessageKey, LevelKey, TimeKey string
	// LevelFormat is uppercase or lowercase.
	LevelFormat  string
	TimeEncoding string
}

// Logger writes logs to w.
func (l Log) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.MessageKey:
			a.Key = l.MessageKey
		case slog.LevelKey:
			a.Key = l.LevelKey
			if level, ok := a.Value.Any().(slog.Level); ok && l.LevelFormat == "lowercase" {
				a.Value = slog.StringValue(strings.ToLower(level.String()))
			}
		case slog.TimeKey:
			a.Key = l.TimeKey
			a.Value = l.time(a.Value)
		}
		return a
	}}
	if l.Encoder == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// time is a time as the encoding has it.
func (l Log) time(v slog.Value) slog.Value {
	if v.Kind() != slog.KindTime {
		return v
	}
	t := v.Time()
	switch l.TimeEncoding {
	case "epoch":
		return slog.Float64Value(float64(t.UnixNano()) / float64(time.Second))
	case "millis":
		return slog.Float64Value(float64(t.UnixNano()) / float64(time.Millisecond))
	case "nano":
		return slog.Int64Value(t.UnixNano())
	case "iso8601":
		return slog.StringValue(t.Format("2006-01-02T15:04:05.000Z0700"))
	case "rfc3339":
		return slog.StringValue(t.Format(time.RFC3339))
	}
	return slog.StringValue(t.Format(time.RFC3339Nano))
}

// setLevel takes the names of levels, and numbers, which are the more verbose the
// higher they are.
func setLevel(s *Settings, v []string) error {
	if n, err := strconv.Atoi(last(v)); err == nil && n > 0 && n < 128 {
		s.Log.Level = slog.Level(-n)
		return nil
	}
	switch strings.ToLower(last(v)) {
	case "debug":
		s.Log.Level = slog.LevelDebug
	case "info":
		s.Log.Level = slog.LevelInfo
	case "warn":
		s.Log.Level = slog.LevelWarn
	case "error", "dpanic", "panic", "fatal":
		s.Log.Level = slog.LevelError
	default:
		return fmt.Errorf("got %q; want debug, info, warn, error or a number", last(v))
	}
	return nil
}

func setDevel(s *Settings, v []string) error {
	var on bool
	if err := boolean(func(*Settings) *bool { return &on })(s, v); err != nil || !on {
		return err
	}
	s.Log.Level, s.Log.Encoder = min(s.Log.Level, slog.LevelDebug), "console"
	return nil
}
