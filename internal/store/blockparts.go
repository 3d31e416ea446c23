package store

import "fmt"

// What a block file consists of, for those who look at all of it.

// The parts of a block that have pages.
const (
	partColumn     = "values"
	partDictionary = "dictionary"
	partBloom      = "bloom filter"
	partStrip      = "texts"
	partGrams      = "gram filter"
	partTraces     = "trace index"
	partOperations = "pre-aggregates"
)

// pageRef names a page of a block.
type pageRef struct {
	part   string
	column int // in the footer's list; -1: of no column
	n      int // place in the part's list
}

// eachPage calls f for every page that the footer names, those of the same
// part one after the other. Pages that take no bytes are among them.
func (f *footer) eachPage(visit func(pageRef, pageMeta)) {
	for i := range f.columns {
		c := &f.columns[i]
		each(c.pages, pageRef{part: partColumn, column: i}, visit)
		for n, p := range c.dict {
			visit(pageRef{partDictionary, i, n}, p.pageMeta)
		}
		each(c.bloom, pageRef{part: partBloom, column: i}, visit)
		each(c.strips, pageRef{part: partStrip, column: i}, visit)
		each(c.grams, pageRef{part: partGrams, column: i}, visit)
	}
	for n, p := range f.tracePages {
		visit(pageRef{partTraces, -1, n}, p.pageMeta)
	}
	each(f.operations, pageRef{part: partOperations, column: -1}, visit)
}

func each(pages []pageMeta, ref pageRef, visit func(pageRef, pageMeta)) {
	for n, m := range pages {
		ref.n = n
		visit(ref, m)
	}
}

// nameOf is what people read of a page.
func (f *footer) nameOf(p pageRef) string {
	if p.column < 0 {
		return fmt.Sprintf("%s, page %d", p.part, p.n)
	}
	key := f.columns[p.column].info.key
	return fmt.Sprintf("%s (%s): %s, page %d", key.label(), key.typeName(), p.part, p.n)
}

// label names the column as docs/format/block.md does.
func (k columnKey) label() string {
	switch {
	case k.place == Intrinsic:
		return "[" + k.name + "]"
	case k.place != placeSlot:
		return k.name
	case int(k.slot) < len(slotNames):
		return slotNames[k.slot]
	}
	return fmt.Sprintf("slot %d", k.slot)
}

var slotNames = [slotCount]string{
	slotTime: "[time]", slotTrace: "[trace]", slotSpanID: "[span id]", slotResource: "[resource]", slotScope: "[scope]",
	slotFlags: "[flags]", slotDropped: "[dropped attributes]", slotRest: "[attributes without a column]", slotDuration: "[duration]",
	slotParent: "[parent outside the block]", slotParentRow: "[parent]", slotName: "[name]", slotKind: "[kind]",
	slotStatus: "[status]", slotStatusMessage: "[status message]", slotTraceState: "[trace state]", slotEvents: "[events]",
	slotLinks: "[links]", slotDroppedEvents: "[dropped events]", slotDroppedLinks: "[dropped links]",
	slotObserved: "[observed time]", slotTimeless: "[no time]", slotSeverity: "[severity]", slotSeverityText: "[severity text]",
	slotEventName: "[event name]", slotHiddenKeys: "[keys without a column]",
}

// typeName is the type of an attribute column's values, and for a fixed column
// how they are kept.
func (k columnKey) typeName() string {
	switch {
	case k.place != placeSlot:
		return k.typ.word()
	case k.textual():
		return "text"
	}
	return "number"
}

// word is the type as users write it. It is not String: a Value would print otherwise
// than it did when the files of earlier releases were described.
func (t ValueType) word() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

var typeNames = [...]string{Empty: "empty", String: "string", Bool: "bool", Int: "int", Double: "double",
	Bytes: "bytes", Array: "array", Map: "map"}
