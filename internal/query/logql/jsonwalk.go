package logql

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonDepth bounds nesting.
const jsonDepth = 64

var errJSON = errors.New("the line is no JSON object")

// jsonWalker goes through JSON text without making values of it.
type jsonWalker struct {
	s     string
	i     int
	depth int
}

func (w *jsonWalker) space() {
	for w.i < len(w.s) && (w.s[w.i] == ' ' || w.s[w.i] == '\t' || w.s[w.i] == '\n' || w.s[w.i] == '\r') {
		w.i++
	}
}

func (w *jsonWalker) byte() byte {
	if w.i < len(w.s) {
		return w.s[w.i]
	}
	return 0
}

func (w *jsonWalker) fail(what string) error {
	return fmt.Errorf("%s at byte %d", what, w.i)
}

// object calls field at the value of each key; field must go over the value.
func (w *jsonWalker) object(field func(key string) error) error {
	if w.byte() != '{' {
		return errJSON
	}
	return w.list('}', func() error {
		key, err := w.text()
		if err != nil {
			return err
		}
		w.space()
		if w.byte() != ':' {
			return w.fail("a colon is missing")
		}
		w.i++
		w.space()
		return field(key)
	})
}

// array calls element at each element.
func (w *jsonWalker) array(element func(i int) error) error {
	if w.byte() != '[' {
		return w.fail("no list")
	}
	n := -1
	return w.list(']', func() error {
		n++
		return element(n)
	})
}

// list goes over what is between brackets.
func (w *jsonWalker) list(end byte, item func() error) error {
	if w.depth++; w.depth > jsonDepth {
		return w.fail("too deep nesting")
	}
	defer func() { w.depth-- }()
	w.i++
	w.space()
	if w.byte() == end {
		w.i++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		w.space()
		switch w.byte() {
		case ',':
			w.i++
			w.space()
		case end:
			w.i++
			return nil
		default:
			return w.fail("a comma or a bracket is missing")
		}
	}
}

// text reads a string.
func (w *jsonWalker) text() (string, error) {
	if w.byte() != '"' {
		return "", w.fail("a quoted text is missing")
	}
	start := w.i
	plain := true
	for w.i++; w.i < len(w.s); w.i++ {
		switch w.s[w.i] {
		case '\\':
			plain = false
			w.i++
		case '"':
			w.i++
			raw := w.s[start:w.i]
			if plain && utf8.ValidString(raw) {
				return raw[1 : len(raw)-1], nil
			}
			var s string
			if err := json.Unmarshal([]byte(raw), &s); err != nil {
				return strings.ToValidUTF8(raw[1:len(raw)-1], "\uFFFD"), nil
			}
			return s, nil
		}
	}
	return "", w.fail("the end of a text is missing")
}

// skip goes over a value and gives its text.
func (w *jsonWalker) skip() (string, error) {
	start := w.i
	var err error
	switch w.byte() {
	case '{':
		err = w.object(func(string) error { _, err := w.skip(); return err })
	case '[':
		err = w.array(func(int) error { _, err := w.skip(); return err })
	case '"':
		_, err = w.text()
	default:
		_, err = w.scalar()
	}
	if err != nil {
		return "", err
	}
	return w.s[start:w.i], nil
}

// scalar reads a number, true, false or null.
func (w *jsonWalker) scalar() (string, error) {
	start := w.i
	for w.i < len(w.s) && (digit(w.s[w.i]) || nameStart(w.s[w.i]) || strings.IndexByte("+-.", w.s[w.i]) >= 0) {
		w.i++
	}
	word := w.s[start:w.i]
	switch word {
	case "true", "false", "null":
		return word, nil
	}
	if _, err := strconv.ParseFloat(word, 64); err != nil && !errors.Is(err, strconv.ErrRange) {
		return "", w.fail("a value is missing")
	}
	return word, nil
}

// paths calls set for each value of an object that is no list and not null, with
// the keys that lead to it, which set must not keep.
func (w *jsonWalker) paths(before []string, set func(path []string, value string)) error {
	return w.object(func(key string) error {
		path := append(before, key)
		switch w.byte() {
		case '{':
			return w.paths(path, set)
		case '[':
			_, err := w.skip()
			return err
		case '"':
			value, err := w.text()
			if err == nil {
				set(path, value)
			}
			return err
		}
		value, err := w.scalar()
		if err == nil && value != "null" {
			set(path, value)
		}
		return err
	})
}

// labelOf is the label of a value in JSON: the keys that lead to it, joined with _.
func labelOf(path []string) string {
	name := sanitize(path[0], true)
	for _, key := range path[1:] {
		name += "_" + sanitize(key, false)
	}
	return name
}

// sanitize makes the name of a label of any text. A digit at its beginning gets
// a _ before it when first is set.
func sanitize(key string, first bool) string {
	if labelName(key) {
		return key
	}
	key = strings.TrimSpace(key)
	var b strings.Builder
	for i, r := range key {
		switch {
		case r < utf8.RuneSelf && digit(byte(r)):
			if i == 0 && first {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		case r < utf8.RuneSelf && nameStart(byte(r)):
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// pathStep is a key or, when the key is empty, an index.
type pathStep struct {
	key   string
	index int
	list  bool
}

// parsePath reads servers[0].name or ["a key"].
func parsePath(s string) ([]pathStep, error) {
	var steps []pathStep
	bad := fmt.Errorf("%q is no path like request.headers[\"User-Agent\"] or servers[0]", s)
	for rest := s; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			quoted, err := strconv.QuotedPrefix(rest[1:])
			if err != nil || !strings.HasPrefix(rest[1+len(quoted):], "]") {
				return nil, bad
			}
			key, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, bad
			}
			steps, rest = append(steps, pathStep{key: key}), rest[len(quoted)+2:]
		case rest[0] == '[':
			number, after, ok := strings.Cut(rest[1:], "]")
			n, err := strconv.Atoi(number)
			if !ok || err != nil || n < 0 {
				return nil, bad
			}
			steps, rest = append(steps, pathStep{index: n, list: true}), after
		default:
			if rest[0] == '.' {
				if len(steps) == 0 {
					return nil, bad
				}
				rest = rest[1:]
			} else if len(steps) > 0 {
				return nil, bad
			}
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 {
				return nil, bad
			}
			steps, rest = append(steps, pathStep{key: rest[:n]}), rest[n:]
		}
	}
	if len(steps) == 0 {
		return nil, bad
	}
	return steps, nil
}

// find gives the value that a path leads to; lists and objects as they are
// written.
func (w *jsonWalker) find(path []pathStep) (value string, found bool, err error) {
	if len(path) == 0 {
		if w.byte() == '"' {
			value, err = w.text()
		} else {
			value, err = w.skip()
		}
		return value, err == nil && value != "null", err
	}
	descend := func(here bool) error {
		if !here || found {
			_, err := w.skip()
			return err
		}
		var err error
		value, found, err = w.find(path[1:])
		return err
	}
	switch {
	case path[0].list && w.byte() == '[':
		err = w.array(func(i int) error { return descend(i == path[0].index) })
	case !path[0].list && w.byte() == '{':
		err = w.object(func(key string) error { return descend(key == path[0].key) })
	default:
		_, err = w.skip()
	}
	return value, found, err
}
