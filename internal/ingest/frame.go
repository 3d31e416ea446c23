package ingest

import (
	"unsafe"

	"github.com/signalbox-otel/signalbox/internal/store"
)

// countRecords counts the records in a request by its frame alone: level 0 is
// the request, 1 a resource with its scopes, 2 a scope with its records.
func countRecords(b []byte, level int) (int, error) {
	total := 0
	for len(b) > 0 {
		var t tag
		var m []byte
		var err error
		if t, b, err = readTag(b); err != nil {
			return 0, err
		}
		if t != frame[level] && (level != 1 || t != resourceRecordsLegacy<<3|wireLen) {
			if b, err = pass(b, t); err != nil {
				return 0, err
			}
			continue
		}
		if m, b, err = readBytes(b); err != nil {
			return 0, err
		}
		n := 1
		if level < 2 {
			if n, err = countRecords(m, level+1); err != nil {
				return 0, err
			}
		}
		total += n
	}
	return total, nil
}

// frame is the tag that leads from each level of a request to the next.
var frame = [...]tag{
	requestRecords<<3 | wireLen,
	resourceRecordsScopes<<3 | wireLen,
	scopeRecordsRecords<<3 | wireLen,
}

// each visits the messages under one tag; other fields are passed over if they
// are not in known.
func each(b []byte, under tag, known fields, visit func([]byte) error) error {
	for len(b) > 0 {
		var t tag
		var m []byte
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		if t != under {
			b, err = skip(b, t, known)
		} else if m, b, err = readBytes(b); err == nil {
			err = visit(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// request reads the whole request.
func (d *decoder) request(b []byte) error {
	return each(b, requestRecords<<3|wireLen, requestFields, d.resourceRecords)
}

// resourceRecords reads one resource and its scopes. They may come in any
// order, and pdata writes the resource last: the first pass reads the resource,
// the second the scopes.
func (d *decoder) resourceRecords(b []byte) error {
	r := new(store.Resource)
	if err := d.spend(b, int(unsafe.Sizeof(*r))); err != nil {
		return err
	}
	var scopes, legacy bool
	for p := b; len(p) > 0; {
		var t tag
		var m []byte
		var err error
		if t, p, err = readTag(p); err != nil {
			return err
		}
		switch t {
		case resourceRecordsResource<<3 | wireLen:
			if m, p, err = readBytes(p); err == nil {
				err = d.resource(m, r)
			}
		case resourceRecordsScopes<<3 | wireLen:
			scopes = true
			p, err = pass(p, t)
		case resourceRecordsSchemaURL<<3 | wireLen:
			r.SchemaURL, p, err = readText(p)
		case resourceRecordsLegacy<<3 | wireLen:
			legacy = true
			p, err = pass(p, t)
		default:
			if t.field() == resourceRecordsLegacy {
				return failAt(p, "wire type %d for field %d", t.wire(), t.field())
			}
			p, err = skip(p, t, resourceRecordsFields)
		}
		if err != nil {
			return err
		}
	}
	r.Attrs = d.attrs.cut()
	read := func(m []byte) error { return d.scopeRecords(m, r) }
	if err := each(b, resourceRecordsScopes<<3|wireLen, 0, read); err != nil || !legacy {
		return err
	}
	spans, logs := len(d.spans), len(d.logs)
	if err := each(b, resourceRecordsLegacy<<3|wireLen, 0, read); err != nil {
		return err
	}
	if scopes { // the sender wrote both, for receivers old and new
		clear(d.spans[spans:]) // record expects what it begins to be empty
		clear(d.logs[logs:])
		d.spans, d.logs = d.spans[:spans], d.logs[:logs]
	}
	return nil
}

// scopeRecords reads one scope, then its records.
func (d *decoder) scopeRecords(b []byte, r *store.Resource) error {
	sc := new(store.Scope)
	if err := d.spend(b, int(unsafe.Sizeof(*sc))); err != nil {
		return err
	}
	for p := b; len(p) > 0; {
		var t tag
		var m []byte
		var err error
		if t, p, err = readTag(p); err != nil {
			return err
		}
		switch t {
		case scopeRecordsScope<<3 | wireLen:
			if m, p, err = readBytes(p); err == nil {
				err = d.scope(m, sc)
			}
		case scopeRecordsRecords<<3 | wireLen:
			p, err = pass(p, t)
		case scopeRecordsSchemaURL<<3 | wireLen:
			sc.SchemaURL, p, err = readText(p)
		default:
			p, err = skip(p, t, scopeRecordsFields)
		}
		if err != nil {
			return err
		}
	}
	sc.Attrs = d.attrs.cut()
	return each(b, scopeRecordsRecords<<3|wireLen, 0, func(m []byte) error { return d.record(m, r, sc) })
}

// record reads a span or a log record.
func (d *decoder) record(b []byte, r *store.Resource, sc *store.Scope) error {
	if d.kind == store.Spans {
		d.spans = d.spans[:len(d.spans)+1]
		s := &d.spans[len(d.spans)-1]
		s.Resource, s.Scope = r, sc
		return d.span(b, s)
	}
	d.logs = d.logs[:len(d.logs)+1]
	l := &d.logs[len(d.logs)-1]
	l.Resource, l.Scope = r, sc
	return d.log(b, l)
}

// resource reads one piece of a resource; its attributes are in the open run
// of d.attrs afterwards.
func (d *decoder) resource(b []byte, r *store.Resource) error {
	for len(b) > 0 {
		var t tag
		var m []byte
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case resourceAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.attrs)
			}
		case resourceDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			r.DroppedAttrs = uint32(n)
		case resourceEntityRefs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = checkEntityRef(m)
			}
		default:
			b, err = skip(b, t, resourceFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkEntityRef walks an EntityRef that nobody keeps.
func checkEntityRef(b []byte) error {
	for len(b) > 0 {
		var t tag
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		if t.wire() == wireLen { // as all declared fields are
			b, err = pass(b, t)
		} else {
			b, err = skip(b, t, entityFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// scope is resource for an instrumentation scope.
func (d *decoder) scope(b []byte, sc *store.Scope) error {
	for len(b) > 0 {
		var t tag
		var m []byte
		var n uint64
		var err error
		if t, b, err = readTag(b); err != nil {
			return err
		}
		switch t {
		case scopeName<<3 | wireLen:
			sc.Name, b, err = readText(b)
		case scopeVersion<<3 | wireLen:
			sc.Version, b, err = readText(b)
		case scopeAttrs<<3 | wireLen:
			if m, b, err = readBytes(b); err == nil {
				err = d.attr(m, &d.attrs)
			}
		case scopeDroppedAttrs<<3 | wireVarint:
			n, b, err = readVarint(b)
			sc.DroppedAttrs = uint32(n)
		default:
			b, err = skip(b, t, scopeFields)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
