package ingest

import "github.com/signalbox-otel/signalbox/internal/store"

// span reads a Span message into s.
func (d *decoder) span(b []byte, s *store.Span) error {
	for len(b) > 0 {
		var t tag
		var m []byte // a message inside
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case spanTraceID<<3 | wireLen:
			b, err = readID(b, s.TraceID[:])
		case spanSpanID<<3 | wireLen:
			b, err = readID(b, s.SpanID[:])
		case spanTraceState<<3 | wireLen:
			s.TraceState, b, err = readText(b)
		case spanParentID<<3 | wireLen:
			b, err = readID(b, s.ParentID[:])
		case spanName<<3 | wireLen:
			s.Name, b, err = readText(b)
		case spanKind<<3 | wireVarint:
			n, b, err = readVarint(b)
			s.Kind = int32(n)
		case spanStart<<3 | wireI64:
			s.Start, b, err = readI64(b)
		case spanEnd<<3 | wireI64:
			s.End, b, err = readI64(b)
		case spanAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.attrs)
			}
		case spanDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			s.DroppedAttrs = uint32(n)
		case spanEvents<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.event(m)
			}
		case spanDroppedEvents<<3 | wireVarint:
			n, b, err = readVarint(b)
			s.DroppedEvents = uint32(n)
		case spanLinks<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.link(m)
			}
		case spanDroppedLinks<<3 | wireVarint:
			n, b, err = readVarint(b)
			s.DroppedLinks = uint32(n)
		case spanStatus<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = readStatus(m, s)
			}
		case spanFlags<<3 | wireI32:
			s.Flags, b, err = readI32(b)
		default:
			b, err = skip(b, t, spanFields)
		}
		if err != nil {
			return err
		}
	}
	s.Attrs, s.Events, s.Links = d.attrs.cut(), d.events.cut(), d.links.cut()
	return nil
}

// event reads an Event message into the open run of d.events.
func (d *decoder) event(b []byte) error {
	e, err := d.events.add(d, b)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		var t tag
		var m []byte
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case eventTime<<3 | wireI64:
			e.Time, b, err = readI64(b)
		case eventName<<3 | wireLen:
			e.Name, b, err = readText(b)
		case eventAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.inner)
			}
		case eventDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			e.DroppedAttrs = uint32(n)
		default:
			b, err = skip(b, t, eventFields)
		}
		if err != nil {
			return err
		}
	}
	e.Attrs = d.inner.cut()
	return nil
}

// link reads a Link message into the open run of d.links.
func (d *decoder) link(b []byte) error {
	l, err := d.links.add(d, b)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		var t tag
		var m []byte
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case linkTraceID<<3 | wireLen:
			b, err = readID(b, l.TraceID[:])
		case linkSpanID<<3 | wireLen:
			b, err = readID(b, l.SpanID[:])
		case linkTraceState<<3 | wireLen:
			l.TraceState, b, err = readText(b)
		case linkAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.inner)
			}
		case linkDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			l.DroppedAttrs = uint32(n)
		case linkFlags<<3 | wireI32:
			l.Flags, b, err = readI32(b)
		default:
			b, err = skip(b, t, linkFields)
		}
		if err != nil {
			return err
		}
	}
	l.Attrs = d.inner.cut()
	return nil
}

// readStatus reads one piece of a Status message.
func readStatus(b []byte, s *store.Span) error {
	for len(b) > 0 {
		var t tag
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case statusMessage<<3 | wireLen:
			s.StatusMessage, b, err = readText(b)
		case statusCode<<3 | wireVarint:
			n, b, err = readVarint(b)
			s.StatusCode = int32(n)
		default:
			b, err = skip(b, t, statusFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
