package ingest

import "github.com/signalbox-otel/signalbox/internal/store"

// log reads a LogRecord message into l.
func (d *decoder) log(c cursor, l *store.Log) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case logTime<<3 | wireI64:
			l.Time, err = c.i64()
		case logObservedTime<<3 | wireI64:
			l.ObservedTime, err = c.i64()
		case logSeverityNumber<<3 | wireVarint:
			err = c.int32(&l.SeverityNumber)
		case logSeverityText<<3 | wireLen:
			l.SeverityText, err = c.text()
		case logBody<<3 | wireLen:
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = readValue(sub, &l.Body, maxDepth)
			}
		case logAttrs<<3 | wireLen:
			err = d.attr(&c, &d.attrs)
		case logDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&l.DroppedAttrs)
		case logFlags<<3 | wireI32:
			l.Flags, err = c.i32()
		case logTraceID<<3 | wireLen:
			err = c.id(l.TraceID[:])
		case logSpanID<<3 | wireLen:
			err = c.id(l.SpanID[:])
		case logEventName<<3 | wireLen:
			l.EventName, err = c.text()
		default:
			err = c.skip(t, logFields)
		}
		if err != nil {
			return err
		}
	}
	l.Attrs = d.attrs.cut()
	return nil
}
