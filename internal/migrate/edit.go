package migrate

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// editor collects what changes in the lines of a source.
type editor struct {
	*source
	edits []edit
}

// edit replaces lines, or when column is not 0 a part of one line.
type edit struct {
	from, to int // lines, from 1; to is exclusive
	column   int // byte in the line, from 1
	length   int
	with     []string
}

// apply writes the lines with the edits.
func (e *editor) apply() []byte {
	slices.SortStableFunc(e.edits, func(a, b edit) int {
		return slices.Compare([]int{a.from, a.to, -a.column}, []int{b.from, b.to, -b.column})
	})
	var out strings.Builder
	lines, next := slices.Clone(e.lines), 1
	write := func(to int) {
		for ; next < to && next <= len(lines); next++ {
			out.WriteString(lines[next-1])
		}
	}
	for _, d := range e.edits {
		if d.column > 0 { // from the right, so that columns stay
			line := lines[d.from-1]
			lines[d.from-1] = line[:d.column-1] + d.with[0] + line[d.column-1+d.length:]
			continue
		}
		write(d.from)
		for _, l := range d.with {
			if s := out.String(); s != "" && !strings.HasSuffix(s, "\n") {
				out.WriteByte('\n')
			}
			out.WriteString(l)
		}
		next = max(next, d.to)
	}
	write(len(lines) + 1)
	return []byte(out.String())
}

// all edits every document; it reports whether edits say what changed.
func (e *editor) all() bool {
	for i, doc := range e.docs {
		if e.pristine(doc) {
			continue
		}
		end := len(e.lines)
		if i+1 < len(e.docs) {
			end = e.docs[i+1].Content[0].Line
			for end > 0 && !strings.HasPrefix(e.lines[end-1], "---") {
				end--
			}
			end--
		}
		if end < 1 || len(doc.Content) != 1 || !e.pristineShallow(doc) || !e.block(doc.Content[0], end) {
			return false
		}
	}
	return true
}

// pristineShallow reports whether a node has the children it had.
func (e *editor) pristineShallow(n *yaml.Node) bool {
	w, ok := e.was[n]
	return ok && n.Kind == w.Kind && slices.Equal(n.Content, w.content)
}

// entry is one key with its value, or one element of a list, whose key is nil.
type entry struct{ key, value *yaml.Node }

// first is the node that the entry begins with.
func (n entry) first() *yaml.Node {
	if n.key != nil {
		return n.key
	}
	return n.value
}

func entries(kind yaml.Kind, content []*yaml.Node) []entry {
	var all []entry
	if kind == yaml.SequenceNode {
		for _, c := range content {
			all = append(all, entry{nil, c})
		}
		return all
	}
	for i := 0; i+1 < len(content); i += 2 {
		all = append(all, entry{content[i], content[i+1]})
	}
	return all
}

// isBlock reports whether a node was and is a mapping or list over several
// lines, with something in it.
func (e *editor) isBlock(n *yaml.Node) bool {
	w, ok := e.was[n]
	return ok && w.Kind == n.Kind && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) &&
		w.Style&yaml.FlowStyle == 0 && n.Style&yaml.FlowStyle == 0 && len(w.content) > 0 && len(n.Content) > 0 && w.Anchor == ""
}

// block edits what changed in a mapping or list; end is its last line. It
// reports whether that can be said by edits; if not there are none of it.
func (e *editor) block(n *yaml.Node, end int) bool {
	if !e.isBlock(n) {
		return false
	}
	before := len(e.edits)
	if !e.entries(n, end) {
		e.edits = e.edits[:before]
		return false
	}
	return true
}

// extent is which lines an entry has: from its comment to its last line.
type extent struct{ head, end int }

func (e *editor) entries(n *yaml.Node, end int) bool {
	w := e.was[n]
	old, now := entries(w.Kind, w.content), entries(n.Kind, n.Content)
	extents := e.extents(old, end)
	if extents == nil {
		return false
	}
	index := map[*yaml.Node]int{}
	for i, o := range old {
		index[o.first()] = i
	}
	kept, last := map[int]bool{}, -1
	for _, c := range now {
		if i, ok := index[c.first()]; ok {
			if i <= last {
				return false // in another order
			}
			kept[i], last = true, i
		}
	}
	for i, o := range old {
		if !kept[i] {
			if strings.TrimSpace(e.prefix(o.first())) != dash(o) {
				return false // it shares its line with the list element it begins
			}
			e.edits = append(e.edits, edit{from: extents[i].head, to: extents[i].end + 1})
		}
	}
	after := extents[0].head - 1
	for _, c := range now {
		i, ok := index[c.first()]
		if !ok {
			lines, ok := e.written(c, old[0].first().Column-1, dash(old[0]))
			if !ok {
				return false
			}
			e.edits = append(e.edits, edit{from: after + 1, to: after + 1, with: lines})
			continue
		}
		if !e.entry(old[i], c, extents[i]) {
			return false
		}
		after = extents[i].end
	}
	return true
}

// dash is what stands before an entry: a dash before an element of a list.
func dash(n entry) string {
	if n.key == nil {
		return "-"
	}
	return ""
}

// prefix is what stands in a node's line before it.
func (e *editor) prefix(n *yaml.Node) string {
	w := e.was[n]
	if w.Line < 1 || w.Line > len(e.lines) {
		return "?"
	}
	c := column(e.lines[w.Line-1], w.Column)
	if c < 0 {
		return "?"
	}
	return e.lines[w.Line-1][:c]
}

// column is the byte at which the character at a column from 1 stands; -1 when
// the line is shorter.
func column(line string, col int) int {
	n := 1
	for i := range line {
		if n == col {
			return i
		}
		n++
	}
	if n == col {
		return len(line)
	}
	return -1
}

// extents are the lines of entries, nil when they are not on lines of their own.
func (e *editor) extents(old []entry, end int) []extent {
	all := make([]extent, len(old))
	for i, o := range old {
		prefix := e.prefix(o.first())
		if strings.Trim(prefix, " -") != "" || i > 0 && strings.TrimSpace(prefix) != dash(o) {
			return nil
		}
		line := e.was[o.first()].Line
		all[i] = extent{line, 0}
		if strings.TrimSpace(prefix) == dash(o) {
			indent := len(prefix) - len(strings.TrimLeft(prefix, " "))
			for h := line - 1; h > 0 && e.commentAt(h) == indent && (i == 0 || h > e.was[old[i-1].first()].Line); h-- {
				all[i].head = h
			}
		}
	}
	for i, o := range old {
		limit := end
		if i+1 < len(old) {
			limit = all[i+1].head - 1
		}
		prefix := e.prefix(o.first())
		indent := len(prefix)
		if o.key == nil {
			indent = strings.IndexByte(prefix, '-')
		}
		for limit > all[i].head && (strings.TrimSpace(e.lines[limit-1]) == "" || e.commentAt(limit) >= 0 && e.commentAt(limit) <= indent) {
			limit--
		}
		all[i].end = max(limit, e.was[o.first()].Line)
	}
	return all
}

// commentAt is the column, from 0, of the comment that a line is; -1 when it is
// none.
func (e *editor) commentAt(line int) int {
	l := e.lines[line-1]
	trimmed := strings.TrimLeft(l, " ")
	if !strings.HasPrefix(trimmed, "#") {
		return -1
	}
	return len(l) - len(trimmed)
}

// entry edits one entry that is still there.
func (e *editor) entry(old, now entry, at extent) bool {
	before := len(e.edits)
	if (now.key == nil || e.pristine(now.key) || e.scalar(now.key, e.was[now.key].Line)) && e.value(old, now, at) {
		return true
	}
	e.edits = e.edits[:before]
	// The whole entry is written anew, with its comment.
	prefix := e.prefix(old.first())
	if strings.TrimSpace(prefix) != dash(old) {
		at.head = e.was[old.first()].Line
	}
	lines, ok := e.written(now, old.first().Column-1, dash(old))
	if !ok {
		return false
	}
	if strings.TrimSpace(prefix) != dash(old) {
		for len(lines) > 0 && strings.HasPrefix(strings.TrimSpace(lines[0]), "#") {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return false
		}
		lines[0] = prefix + strings.TrimLeft(lines[0], " ")
	}
	e.edits = append(e.edits, edit{from: at.head, to: at.end + 1, with: lines})
	return true
}

// value edits the value of an entry, and reports whether it could.
func (e *editor) value(old, now entry, at extent) bool {
	v := now.value
	switch {
	case v == old.value && e.pristine(v):
		return true
	case v == old.value && e.block(v, at.end):
		return true
	case v == old.value && v.Kind == yaml.ScalarNode && e.was[v].Style == yaml.LiteralStyle && v.Style == yaml.LiteralStyle:
		return e.literal(v, at.end)
	}
	w, ok := e.was[old.value]
	if !ok || w.Line != at.end || w.Line != e.was[old.first()].Line || w.Anchor != "" || w.Kind == yaml.AliasNode {
		return false
	}
	if v.Kind != yaml.ScalarNode && v.Style&yaml.FlowStyle == 0 && len(v.Content) > 0 {
		return false
	}
	if w.Kind == yaml.ScalarNode && w.Value == "" && w.Style == 0 {
		return false // nothing is written there
	}
	return e.replace(old.value, v, e.was[old.first()].LineComment+w.LineComment)
}

// scalar edits a key.
func (e *editor) scalar(n *yaml.Node, line int) bool {
	w := e.was[n]
	at := column(e.lines[line-1], w.Column)
	if n.Kind != yaml.ScalarNode || at < 0 {
		return false
	}
	was, ok := e.oneLine(&w.Node)
	now, fine := e.oneLine(n)
	if !ok || !fine || !strings.HasPrefix(e.lines[line-1][at:], was) {
		return false
	}
	e.edits = append(e.edits, edit{from: line, to: line, column: at + 1, length: len(was), with: []string{now}})
	return true
}

// replace writes a value in the place of one that ends its line.
func (e *editor) replace(old, now *yaml.Node, comment string) bool {
	w := e.was[old]
	line := e.lines[w.Line-1]
	at := column(line, w.Column)
	text, ok := e.oneLine(now)
	if at < 0 || !ok {
		return false
	}
	rest := strings.TrimRight(line[at:], "\r\n")
	if i := strings.LastIndex(rest, comment); comment != "" && i >= 0 {
		rest = rest[:i]
	} else if strings.Contains(rest, " #") {
		return false
	}
	rest = strings.TrimRight(rest, " \t")
	e.edits = append(e.edits, edit{from: w.Line, to: w.Line, column: at + 1, length: len(rest), with: []string{text}})
	return true
}

// oneLine writes a scalar, or a mapping or list in flow style, without comments.
func (e *editor) oneLine(n *yaml.Node) (string, bool) {
	bare := writable(n, false, false)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	if safely(func() error { return enc.Encode(bare) }) != nil {
		return "", false
	}
	text := strings.TrimSuffix(out.String(), "\n")
	return text, !strings.Contains(text, "\n")
}

// writable is a copy of a node that the encoder writes so that it reads as the
// same: in flow style it writes nothing as an empty text.
func writable(n *yaml.Node, flow, comments bool) *yaml.Node {
	c := *n
	if !comments {
		c.HeadComment, c.LineComment, c.FootComment = "", "", ""
	}
	flow = flow || n.Style&yaml.FlowStyle != 0
	if flow && c.Kind == yaml.ScalarNode && c.Value == "" && c.ShortTag() == "!!null" {
		c.Value = "null"
	}
	if c.Tag == "!!merge" {
		c.Tag = "" // or it is written
	}
	c.Content = nil
	for _, child := range n.Content {
		c.Content = append(c.Content, writable(child, flow, comments))
	}
	return &c
}

// literal edits a block of text.
func (e *editor) literal(n *yaml.Node, end int) bool {
	start := e.was[n].Line + 1
	indent := -1
	for i := start; i <= end; i++ {
		if l := e.lines[i-1]; strings.TrimSpace(l) != "" {
			indent = len(l) - len(strings.TrimLeft(l, " "))
			break
		}
	}
	if indent < 1 || n.Value == "" || strings.HasPrefix(n.Value, " ") {
		return false
	}
	var lines []string
	for line := range strings.SplitAfterSeq(strings.TrimRight(n.Value, "\n")+"\n", "\n") {
		switch {
		case line == "":
		case line == "\n":
			lines = append(lines, line)
		default:
			lines = append(lines, strings.Repeat(" ", indent)+line)
		}
	}
	e.edits = append(e.edits, edit{from: start, to: end + 1, with: lines})
	return true
}

// written is an entry in the encoder's layout, at a column.
func (e *editor) written(n entry, indent int, dash string) ([]string, bool) {
	doc := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if n.key == nil {
		doc = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{n.value}}
		indent -= 2
	} else {
		key := *n.key
		key.FootComment = ""
		doc.Content = []*yaml.Node{&key, n.value}
	}
	if indent < 0 || dash == "-" && n.key != nil {
		return nil, false
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(e.step)
	if safely(func() error { return enc.Encode(writable(doc, false, true)) }) != nil {
		return nil, false
	}
	var lines []string
	for line := range strings.SplitAfterSeq(out.String(), "\n") {
		if strings.TrimSpace(line) == "" {
			if line != "" {
				lines = append(lines, line)
			}
			continue
		}
		lines = append(lines, strings.Repeat(" ", indent)+line)
	}
	return lines, true
}
