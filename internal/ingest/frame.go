package ingest

import (
	"unsafe"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// request reads the whole request.
func (d *decoder) request(c cursor) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		if t != requestRecords<<3|wireLen {
			err = c.skip(t, requestFields)
		} else {
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = d.resourceRecords(sub)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resourceRecords reads one resource and its scopes. They may come in any
// order, and pdata writes the resource last: the first pass reads the resource,
// the second the scopes.
func (d *decoder) resourceRecords(c cursor) error {
	r := new(store.Resource)
	if err := d.spend(&c, int(unsafe.Sizeof(*r))); err != nil {
		return err
	}
	var scopes, legacy bool
	for p := c; p.more(); {
		t, err := p.tag()
		if err != nil {
			return err
		}
		switch t {
		case resourceRecordsResource<<3 | wireLen:
			var sub cursor
			if sub, err = p.message(); err == nil {
				err = d.resource(sub, r)
			}
		case resourceRecordsScopes<<3 | wireLen:
			scopes = true
			err = p.pass(t)
		case resourceRecordsSchemaURL<<3 | wireLen:
			r.SchemaURL, err = p.text()
		case resourceRecordsLegacy<<3 | wireLen:
			legacy = true
			err = p.pass(t)
		default:
			if t.field() == resourceRecordsLegacy {
				return p.fail("wire type %d for field %d", t.wire(), t.field())
			}
			err = p.skip(t, resourceRecordsFields)
		}
		if err != nil {
			return err
		}
	}
	r.Attrs = d.attrs.cut()
	if err := d.scopes(c, resourceRecordsScopes<<3|wireLen, r); err != nil || !legacy {
		return err
	}
	spans, logs := len(d.spans), len(d.logs)
	if err := d.scopes(c, resourceRecordsLegacy<<3|wireLen, r); err != nil {
		return err
	}
	if scopes { // the sender wrote both for receivers old and new
		d.spans, d.logs = d.spans[:spans], d.logs[:logs]
	}
	return nil
}

// scopes reads the scopes under that tag; the rest was checked before.
func (d *decoder) scopes(c cursor, under tag, r *store.Resource) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		if t != under {
			err = c.pass(t)
		} else {
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = d.scopeRecords(sub, r)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scopeRecords reads one scope, then its records.
func (d *decoder) scopeRecords(c cursor, r *store.Resource) error {
	sc := new(store.Scope)
	if err := d.spend(&c, int(unsafe.Sizeof(*sc))); err != nil {
		return err
	}
	for p := c; p.more(); {
		t, err := p.tag()
		if err != nil {
			return err
		}
		switch t {
		case scopeRecordsScope<<3 | wireLen:
			var sub cursor
			if sub, err = p.message(); err == nil {
				err = d.scope(sub, sc)
			}
		case scopeRecordsRecords<<3 | wireLen:
			err = p.pass(t)
		case scopeRecordsSchemaURL<<3 | wireLen:
			sc.SchemaURL, err = p.text()
		default:
			err = p.skip(t, scopeRecordsFields)
		}
		if err != nil {
			return err
		}
	}
	sc.Attrs = d.attrs.cut()
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		if t != scopeRecordsRecords<<3|wireLen {
			err = c.pass(t)
		} else {
			var sub cursor
			if sub, err = c.message(); err == nil {
				err = d.record(sub, r, sc)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// record reads a span or a log record.
func (d *decoder) record(c cursor, r *store.Resource, sc *store.Scope) error {
	if d.kind == store.Spans {
		d.spans = d.spans[:len(d.spans)+1]
		s := &d.spans[len(d.spans)-1]
		s.Resource, s.Scope = r, sc
		return d.span(c, s)
	}
	d.logs = d.logs[:len(d.logs)+1]
	l := &d.logs[len(d.logs)-1]
	l.Resource, l.Scope = r, sc
	return d.log(c, l)
}

// resource reads one piece of a resource; its attributes are in the open run
// of d.attrs afterwards.
func (d *decoder) resource(c cursor, r *store.Resource) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case resourceAttrs<<3 | wireLen:
			err = d.attr(&c, &d.attrs)
		case resourceDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&r.DroppedAttrs)
		case resourceEntityRefs<<3 | wireLen:
			err = passEntityRef(&c)
		default:
			err = c.skip(t, resourceFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// passEntityRef checks an EntityRef and drops it.
func passEntityRef(c *cursor) error {
	sub, err := c.message()
	for err == nil && sub.more() {
		var t tag
		if t, err = sub.tag(); err != nil {
			break
		}
		if t.wire() == wireLen {
			err = sub.pass(t)
		} else {
			err = sub.skip(t, entityFields)
		}
	}
	return err
}

// scope is resource for an instrumentation scope.
func (d *decoder) scope(c cursor, sc *store.Scope) error {
	for c.more() {
		t, err := c.tag()
		if err != nil {
			return err
		}
		switch t {
		case scopeName<<3 | wireLen:
			sc.Name, err = c.text()
		case scopeVersion<<3 | wireLen:
			sc.Version, err = c.text()
		case scopeAttrs<<3 | wireLen:
			err = d.attr(&c, &d.attrs)
		case scopeDroppedAttrs<<3 | wireVarint:
			err = c.uint32(&sc.DroppedAttrs)
		default:
			err = c.skip(t, scopeFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
