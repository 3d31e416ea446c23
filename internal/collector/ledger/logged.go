package ledger

import (
	"errors"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What the exporters' helper logs when its queue, long after the sender was
// answered, loses something. There is no other sign of it that has the error.
const (
	saysDropping = "Exporting failed. Dropping data."
	saysRetrying = "Exporting failed. Will retry the request after interval."
	saysPartial  = "Partial success response"
	// Two of its persistent queue, one as it starts and one later.
	saysUnreadable = "Failed unmarshalling item"
	saysUndone     = "Failed to dispatch item"
)

// lossCore is a zap core that books what an exporter logs about losses. It sees
// entries of every level, whatever the configuration lets through.
type lossCore struct {
	book *book
	// told is set for exporters that answer when the data is out: what they
	// lose, they refuse.
	told bool
}

// watched is the logger option that adds a lossCore.
func watched(b *book, told bool) zap.Option {
	return zap.WrapCore(func(c zapcore.Core) zapcore.Core { return zapcore.NewTee(lossCore{b, told}, c) })
}

// Enabled implements zapcore.LevelEnabler.
func (c lossCore) Enabled(zapcore.Level) bool { return true }

func (c lossCore) With([]zapcore.Field) zapcore.Core { return c }

func (c lossCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	switch e.Message {
	case saysRetrying, saysPartial, saysUnreadable, saysUndone:
		return to.AddCore(e, c)
	}
	if strings.HasPrefix(e.Message, saysDropping) {
		return to.AddCore(e, c)
	}
	return to
}

func (c lossCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	var err error
	items, text := 0, ""
	for _, f := range fields {
		switch {
		case f.Key == "error":
			err, _ = f.Interface.(error)
		case f.Key == "message":
			text = f.String
		case strings.HasPrefix(f.Key, "dropped_"):
			items = int(f.Integer)
		}
	}
	switch {
	case e.Message == saysPartial:
		c.book.addFor(Failed, PartialSuccess, items, errors.New(text))
	case e.Message == saysUnreadable, e.Message == saysUndone:
		c.book.addFor(Failed, Corrupt, 1, err) // a request: how many items it had is lost too
	case err == nil: // a form of the message that is not known
	case e.Message == saysRetrying:
		c.book.add(Retried, 1, err)
	case !c.told:
		c.book.add(Failed, items, err)
	}
	return nil
}

func (c lossCore) Sync() error { return nil }
