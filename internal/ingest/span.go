package ingest

import "github.com/signalbox-otel/signalbox/internal/store"

// span reads a Span message into s.
func (d *decoder) span(c cursor, s *store.Span) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case spanTraceID<<3 | wireLen:
			err = c.id(s.TraceID[:])
		case spanSpanID<<3 | wireLen:
			err = c.id(s.SpanID[:])
		case spanTraceState<<3 | wireLen:
			s.TraceState, err = c.text()
		case spanParentID<<3 | wireLen:
			err = c.id(s.ParentID[:])
		case spanName<<3 | wireLen:
			s.Name, err = c.text()
		case spanKind<<3 | wireVarint:
			err = c.int32(&s.Kind)
		case spanStart<<3 | wireI64:
			s.Start, err = c.i64()
		case spanEnd<<3 | wireI64:
			s.End, err = c.i64()
		case spanAttrs<<3 | wireLen:
			err = d.attr(&c, &d.attrs)
		case spanDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&s.DroppedAttrs)
		case spanEvents<<3 | wireLen:
			err = d.event(&c)
		case spanDroppedEvents<<3 | wireVarint:
			err = c.uint32(&s.DroppedEvents)
		case spanLinks<<3 | wireLen:
			err = d.link(&c)
		case spanDroppedLinks<<3 | wireVarint:
			err = c.uint32(&s.DroppedLinks)
		case spanStatus<<3 | wireLen:
			err = status(&c, s)
		case spanFlags<<3 | wireI32:
			s.Flags, err = c.i32()
		default:
			err = c.skip(t, spanFields)
		}
		if err != nil {
			return err
		}
	}
	s.Attrs, s.Events, s.Links = d.attrs.cut(), d.events.cut(), d.links.cut()
	return nil
}

// event reads the Event message at c into the open run of d.events.
func (d *decoder) event(at *cursor) error {
	c, err := at.message()
	if err != nil {
		return err
	}
	e, err := d.events.add(d, &c)
	if err != nil {
		return err
	}
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case eventTime<<3 | wireI64:
			e.Time, err = c.i64()
		case eventName<<3 | wireLen:
			e.Name, err = c.text()
		case eventAttrs<<3 | wireLen:
			err = d.attr(&c, &d.inner)
		case eventDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&e.DroppedAttrs)
		default:
			err = c.skip(t, eventFields)
		}
		if err != nil {
			return err
		}
	}
	e.Attrs = d.inner.cut()
	return nil
}

// link reads the Link message at c into the open run of d.links.
func (d *decoder) link(at *cursor) error {
	c, err := at.message()
	if err != nil {
		return err
	}
	l, err := d.links.add(d, &c)
	if err != nil {
		return err
	}
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case linkTraceID<<3 | wireLen:
			err = c.id(l.TraceID[:])
		case linkSpanID<<3 | wireLen:
			err = c.id(l.SpanID[:])
		case linkTraceState<<3 | wireLen:
			l.TraceState, err = c.text()
		case linkAttrs<<3 | wireLen:
			err = d.attr(&c, &d.inner)
		case linkDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&l.DroppedAttrs)
		case linkFlags<<3 | wireI32:
			l.Flags, err = c.i32()
		default:
			err = c.skip(t, linkFields)
		}
		if err != nil {
			return err
		}
	}
	l.Attrs = d.inner.cut()
	return nil
}

// status reads one piece of the Status message at c.
func status(at *cursor, s *store.Span) error {
	c, err := at.message()
	if err != nil {
		return err
	}
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case statusMessage<<3 | wireLen:
			s.StatusMessage, err = c.text()
		case statusCode<<3 | wireVarint:
			err = c.int32(&s.StatusCode)
		default:
			err = c.skip(t, statusFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
