package store

// The functions below look for an accepted attribute in encoded bytes; the
// second result is false when they are malformed.

func anyAttr(d *decoder, key string, holds func(Value) bool) bool {
	for range d.count(2) {
		if a := d.attr(); a.Key == key && !d.bad && holds(a.Value) {
			return true
		}
	}
	return false
}

func restAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		return anyAttr(&d, key, holds), !d.bad
	}
}

func resourceAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		d.bytes()
		return anyAttr(&d, key, holds), !d.bad
	}
}

func scopeAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		d.bytes()
		d.bytes()
		return anyAttr(&d, key, holds), !d.bad
	}
}

func eventAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, e := range d.events(0) {
			for i := range e.Attrs {
				if e.Attrs[i].Key == key && holds(e.Attrs[i].Value) {
					return true, true
				}
			}
		}
		return false, !d.bad
	}
}

func eventName(holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, e := range d.events(0) {
			if holds(StringValue(e.Name)) {
				return true, true
			}
		}
		return false, !d.bad
	}
}

func linkAttr(key string, holds func(Value) bool) func([]byte) (bool, bool) {
	return func(b []byte) (bool, bool) {
		d := decoder{b: b, alias: true}
		for _, l := range d.links() {
			for i := range l.Attrs {
				if l.Attrs[i].Key == key && holds(l.Attrs[i].Value) {
					return true, true
				}
			}
		}
		return false, !d.bad
	}
}
