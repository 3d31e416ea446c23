package servicegraph

import "strings"

// text is a string that is kept, by number; zero is none.
type text uint32

// texts are the strings that edges and series have, each once, with how many
// have it. Those that nobody has any more are forgotten when they are many: the
// next edge often has the same.
type texts struct {
	ids  map[string]text
	all  []held // by id; the first is that of no text
	free []text // ids of none
	idle int    // how many nobody has
}

// maxIdle is how many texts that nobody has are kept, unless more than those are
// in use.
const maxIdle = 1000

// held is one text and how often it is held.
type held struct {
	s    string
	refs int
}

func newTexts() *texts { return &texts{ids: map[string]text{}, all: make([]held, 1)} }

// hold is the id of s, held once more. It copies s when it is new.
func (t *texts) hold(s string) text {
	id, ok := t.ids[s]
	if !ok {
		s = strings.Clone(s)
		if n := len(t.free); n > 0 {
			id, t.free = t.free[n-1], t.free[:n-1]
		} else {
			id = text(len(t.all))
			t.all = append(t.all, held{})
		}
		t.all[id].s = s
		t.ids[s] = id
	} else if t.all[id].refs == 0 {
		t.idle--
	}
	t.all[id].refs++
	return id
}

// name is hold for texts of which "" is none.
func (t *texts) name(s string) text {
	if s == "" {
		return 0
	}
	return t.hold(s)
}

// again holds a text that is held once more.
func (t *texts) again(id text) text {
	if id != 0 {
		t.all[id].refs++
	}
	return id
}

// drop takes back one hold.
func (t *texts) drop(id text) {
	if id == 0 {
		return
	}
	h := &t.all[id]
	if h.refs--; h.refs == 0 {
		if t.idle++; t.idle > max(maxIdle, len(t.ids)/2) {
			t.forget()
		}
	}
}

// forget removes the texts that nobody has.
func (t *texts) forget() {
	for s, id := range t.ids {
		if t.all[id].refs == 0 {
			delete(t.ids, s)
			t.all[id].s = ""
			t.free = append(t.free, id)
		}
	}
	t.idle = 0
}

// set puts id, which is held for it, in the place of what was there.
func (t *texts) set(place *text, id text) {
	t.drop(*place)
	*place = id
}

// at is the text of an id, "" for none.
func (t *texts) at(id text) string { return t.all[id].s }
