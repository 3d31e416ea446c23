package ingest

import "github.com/signalbox-otel/signalbox/internal/store"

// log reads a LogRecord message into l.
func (d *decoder) log(b []byte, l *store.Log) error {
	for len(b) > 0 {
		var t tag
		var m []byte // a message inside
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case logTime<<3 | wireI64:
			l.Time, b, err = readI64(b)
		case logObservedTime<<3 | wireI64:
			l.ObservedTime, b, err = readI64(b)
		case logSeverityNumber<<3 | wireVarint:
			n, b, err = readVarint(b)
			l.SeverityNumber = int32(n)
		case logSeverityText<<3 | wireLen:
			l.SeverityText, b, err = readText(b)
		case logBody<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = readValue(m, &l.Body, maxDepth)
			}
		case logAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.attrs)
			}
		case logDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			l.DroppedAttrs = uint32(n)
		case logFlags<<3 | wireI32:
			l.Flags, b, err = readI32(b)
		case logTraceID<<3 | wireLen:
			b, err = readID(b, l.TraceID[:])
		case logSpanID<<3 | wireLen:
			b, err = readID(b, l.SpanID[:])
		case logEventName<<3 | wireLen:
			l.EventName, b, err = readText(b)
		default:
			b, err = skip(b, t, logFields)
		}
		if err != nil {
			return err
		}
	}
	l.Attrs = d.attrs.cut()
	return nil
}
