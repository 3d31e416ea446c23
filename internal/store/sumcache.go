package store

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"
)

// sumLevels are the lengths of time that nodes have, in minutes: those of common
// steps, so that a step is one node. The longest are for spans of a sender whose
// clock is wrong by years.
var sumLevels = [...]uint64{1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 8640, 86400, 864000}

// partLevel is the longest level of which several make one of that level.
func partLevel(level int) int {
	part := level - 1
	for sumLevels[level]%sumLevels[part] != 0 {
		part--
	}
	return part
}

const (
	// maxSumBytes bounds the memory of the nodes that are kept.
	maxSumBytes = 24 << 20
	// maxBatchSums is how many sums the nodes made at a time may have together.
	maxBatchSums = 100_000
	// fewBlocks is up to how many blocks are added up one by one rather than
	// as shorter nodes.
	fewBlocks = 32
	// sumBatch is how many nodes are made at a time: a block that several of
	// them need is read once.
	sumBatch = 64
)

// sumStretch is a stretch of time that a node can have.
type sumStretch struct {
	level int
	start uint64 // in minutes
}

func (s sumStretch) end() uint64 { return s.start + sumLevels[s.level] }

// sumCache keeps nodes from question to question. A node is right for a view
// when it was made of the blocks that the view has in its stretch, so blocks
// that come and go need not be told to it. It is safe for concurrent use.
type sumCache struct {
	mu    sync.Mutex
	names *sumNames
	nodes map[sumStretch]*list.Element // of *cachedNode
	used  *list.List                   // the one used last first
	bytes int64

	// building is held while nodes are made: who asks for the same ones
	// meanwhile waits for them.
	building sync.Mutex
}

// cachedNode is a node and where it is kept.
type cachedNode struct {
	sumStretch
	node *sumNode
	// version is that of the list of blocks for which it was found right.
	version uint64
}

func newSumCache() *sumCache {
	return &sumCache{names: newSumNames(), nodes: map[sumStretch]*list.Element{}, used: list.New()}
}

// current returns the numbers in use. All nodes go when there are too many.
func (c *sumCache) current() *sumNames {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names.len() >= maxNames {
		c.names, c.nodes, c.used, c.bytes = newSumNames(), map[sumStretch]*list.Element{}, list.New(), 0
	}
	return c.names
}

// get returns what is kept of a stretch, and whether it was found right for
// that version of the list of blocks.
func (c *sumCache) get(names *sumNames, s sumStretch, version uint64) (n *sumNode, right bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.nodes[s]
	if e == nil || c.names != names {
		return nil, false
	}
	c.used.MoveToFront(e)
	kept := e.Value.(*cachedNode)
	return kept.node, version != 0 && kept.version == version
}

// put keeps a node that is right for a version.
func (c *sumCache) put(names *sumNames, s sumStretch, n *sumNode, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names != names || n.sizeBytes() > maxSumBytes/16 {
		return
	}
	if e := c.nodes[s]; e != nil {
		kept := e.Value.(*cachedNode)
		c.bytes += n.sizeBytes() - kept.node.sizeBytes()
		kept.node, kept.version = n, version
		c.used.MoveToFront(e)
	} else {
		c.nodes[s] = c.used.PushFront(&cachedNode{s, n, version})
		c.bytes += n.sizeBytes()
	}
	for c.bytes > maxSumBytes {
		e := c.used.Back()
		kept := c.used.Remove(e).(*cachedNode)
		delete(c.nodes, kept.sumStretch)
		c.bytes -= kept.node.sizeBytes()
	}
}

// sumBuilding makes the nodes that one question lacks.
type sumBuilding struct {
	view    *view
	names   *sumNames
	cache   *sumCache
	blocks  []part
	version uint64 // of the list of blocks; 0: not the list that others have
	report  *Report
}

// cells appends the nodes of the blocks to out, with the cells they belong to.
func (b *sumBuilding) cells(ctx context.Context, q *SumQuery, out *[]cellNode) error {
	lo, hi := q.minutesOf(b.blocks...)
	b.count(lo, hi)
	if lo >= hi {
		return nil
	}
	var stretches []sumStretch
	var cells []int
	for at := lo; at < hi; {
		cell, s := q.cell(at), sumStretch{0, at}
		for level := range sumLevels {
			longer := sumStretch{level, at}
			if longer.end() > hi || q.cell(longer.end()-1) != cell {
				break
			}
			if at%sumLevels[level] == 0 {
				s = longer
			}
		}
		stretches, cells = append(stretches, s), append(cells, cell)
		at = s.end()
	}
	nodes, err := b.resolve(ctx, stretches)
	if err != nil {
		return err
	}
	for i, n := range nodes {
		if len(n.services) > 0 {
			*out = append(*out, cellNode{cells[i], n})
		}
	}
	return nil
}

// count notes in the report which blocks are in the minutes [lo, hi).
func (b *sumBuilding) count(lo, hi uint64) {
	for _, p := range b.blocks {
		if first, last := minutes(p); first < hi && last >= lo {
			b.report.Blocks++
		} else {
			b.report.BlocksSkipped++
		}
	}
}

// minutes returns the first and the last minute of a part.
func minutes(p part) (first, last uint64) {
	lo, hi := p.timeRange()
	return lo / uint64(time.Minute), hi / uint64(time.Minute)
}

// heads appends what is not in blocks yet to out.
func (b *sumBuilding) heads(q *SumQuery, heads []*head, out *[]cellNode) error {
	for _, h := range heads {
		b.report.Blocks++
		nodes, err := h.minuteNodes(b.names)
		if err != nil {
			return err
		}
		lo, hi := q.minutesOf(h)
		for _, n := range nodes {
			if n.minute >= lo && n.minute < hi {
				*out = append(*out, cellNode{q.cell(n.minute), n.sumNode})
			}
		}
	}
	return nil
}

// minuteNode is the node of a minute.
type minuteNode struct {
	minute uint64
	*sumNode
}

// headSums are the nodes of a head when it had that many rows.
type headSums struct {
	names *sumNames
	rows  int
	nodes []minuteNode
}

// minuteNodes returns the nodes of a head's minutes.
func (h *head) minuteNodes(names *sumNames) ([]minuteNode, error) {
	h.counting.Lock()
	defer h.counting.Unlock()
	if err := h.counts.count(h.snapshot()); err != nil {
		return nil, err
	}
	if h.sums.names == names && h.sums.rows == h.counts.rows {
		return h.sums.nodes, nil
	}
	builders := map[uint64]*sumBuilder{}
	for i := range h.counts.counts {
		c := &h.counts.counts[i]
		at := c.minute / uint64(time.Minute)
		if builders[at] == nil {
			builders[at] = newSumBuilder(names)
		}
		builders[at].add(c)
	}
	h.sums = headSums{names: names, rows: h.counts.rows}
	for at, builder := range builders {
		h.sums.nodes = append(h.sums.nodes, minuteNode{at, builder.node(nil)})
	}
	return h.sums.nodes, nil
}

// resolve returns the nodes of stretches, which do not overlap and ascend.
func (b *sumBuilding) resolve(ctx context.Context, stretches []sumStretch) ([]*sumNode, error) {
	nodes := make([]*sumNode, len(stretches))
	if b.find(stretches, nodes) == 0 {
		return nodes, nil
	}
	b.cache.building.Lock()
	defer b.cache.building.Unlock()
	for b.find(stretches, nodes) > 0 {
		before := len(b.blocks)
		if err := b.make(ctx, stretches, nodes); err != nil {
			return nil, err
		}
		if len(b.blocks) < before {
			clear(nodes) // some have a part of a block that cannot be read
		}
	}
	return nodes, nil
}

// find fills in the nodes that are kept and right, and returns how many are
// missing.
func (b *sumBuilding) find(stretches []sumStretch, nodes []*sumNode) (missing int) {
	for i, s := range stretches {
		if nodes[i] != nil {
			continue
		}
		n, right := b.cache.get(b.names, s, b.version)
		if n != nil && !right && slices.Equal(n.blocks, b.filesIn(s)) {
			b.cache.put(b.names, s, n, b.version)
			right = true
		}
		if right {
			nodes[i] = n
		} else {
			missing++
		}
	}
	return missing
}

// in lists the blocks, by number, that have times in a stretch.
func (b *sumBuilding) in(s sumStretch) (list []int) {
	for i, p := range b.blocks {
		if first, last := minutes(p); first < s.end() && last >= s.start {
			list = append(list, i)
		}
	}
	return list
}

// filesIn names the blocks that have times in a stretch.
func (b *sumBuilding) filesIn(s sumStretch) (files []string) {
	for _, i := range b.in(s) {
		files = append(files, b.blocks[i].(*block).file)
	}
	return files
}

// make makes the nodes that are missing: of shorter ones when that spares
// reading many blocks, and else of the blocks. It stops when a block cannot be
// read.
func (b *sumBuilding) make(ctx context.Context, stretches []sumStretch, nodes []*sumNode) error {
	var batch []*newNode
	for i, s := range stretches {
		if nodes[i] != nil {
			continue
		}
		n := b.begin(s)
		if n.done() {
			nodes[i] = b.finish(n)
			continue
		}
		if parts := b.shorter(n); parts != nil {
			made := make([]*sumNode, len(parts))
			b.find(parts, made)
			before := len(b.blocks)
			if err := b.make(ctx, parts, made); err != nil || len(b.blocks) < before {
				return err
			}
			for _, part := range made {
				n.builder.addNode(part)
			}
			nodes[i] = b.finish(n)
			continue
		}
		n.into = &nodes[i]
		if batch = append(batch, n); len(batch) == sumBatch {
			if ok, err := b.read(ctx, batch); !ok {
				return err
			}
			batch = batch[:0]
		}
	}
	_, err := b.read(ctx, batch)
	return err
}

// newNode is a node being made.
type newNode struct {
	sumStretch
	builder *sumBuilder
	files   []string // the blocks that are to be in it
	lacks   []int    // of them, by number, those that are not yet
	old     *sumNode // nil, or what has the others
	into    **sumNode
}

// restart gives the node a builder with what is known of it.
func (n *newNode) restart(names *sumNames) {
	n.builder = newSumBuilder(names)
	if n.old != nil {
		n.builder.addNode(n.old)
	}
}

func (n *newNode) done() bool { return len(n.lacks) == 0 }

// begin starts a node, from what is kept of its stretch if that has only blocks
// that it needs.
func (b *sumBuilding) begin(s sumStretch) *newNode {
	n := &newNode{sumStretch: s, lacks: b.in(s)}
	defer n.restart(b.names)
	for _, i := range n.lacks {
		n.files = append(n.files, b.blocks[i].(*block).file)
	}
	old, _ := b.cache.get(b.names, s, 0)
	if old == nil {
		return n
	}
	has := map[string]bool{}
	for _, file := range old.blocks {
		has[file] = true
	}
	var more []int
	for at, i := range n.lacks {
		if !has[n.files[at]] {
			more = append(more, i)
		}
	}
	if len(n.lacks)-len(more) == len(old.blocks) {
		n.lacks, n.old = more, old
	}
	return n
}

// finish makes the node and keeps it.
func (b *sumBuilding) finish(n *newNode) *sumNode {
	node := n.builder.node(n.files)
	n.builder = nil
	b.cache.put(b.names, n.sumStretch, node, b.version)
	return node
}

// shorter divides a stretch, or returns nil when the node is better made of its
// blocks: when they are few, or are in all of the shorter stretches.
func (b *sumBuilding) shorter(n *newNode) []sumStretch {
	if n.level == 0 || len(n.lacks) <= fewBlocks || len(n.lacks) < len(n.files) {
		return nil
	}
	var parts []sumStretch
	total := 0
	level := partLevel(n.level)
	for at := n.start; at < n.end(); at += sumLevels[level] {
		part := sumStretch{level, at}
		parts = append(parts, part)
		total += len(b.in(part))
	}
	if total > 2*len(n.files)+len(parts) {
		return nil
	}
	return parts
}

// read makes nodes, which ascend, of the blocks that they lack: half of them at a
// time when they have too many sums. ok is false after an error, or when a block
// could not be read and was left out.
func (b *sumBuilding) read(ctx context.Context, batch []*newNode) (ok bool, err error) {
	lacking := map[int][]*newNode{}
	for _, n := range batch {
		for _, i := range n.lacks {
			lacking[i] = append(lacking[i], n)
		}
	}
	for i, p := range b.blocks {
		into := lacking[i]
		if into == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		at := into[0]
		err := p.operations(func(c *operationCount) {
			minute := c.minute / uint64(time.Minute)
			if minute < at.start || minute >= at.end() {
				n, found := slices.BinarySearchFunc(into, minute, func(n *newNode, minute uint64) int {
					switch {
					case n.end() <= minute:
						return -1
					case n.start > minute:
						return 1
					}
					return 0
				})
				if !found {
					return
				}
				at = into[n]
			}
			at.builder.add(c)
		})
		if half := len(batch) / 2; half > 0 && sumsOf(batch) > maxBatchSums {
			for _, n := range batch {
				n.restart(b.names)
			}
			if ok, err := b.read(ctx, batch[:half]); !ok {
				return false, err
			}
			return b.read(ctx, batch[half:])
		}
		if err != nil {
			if b.view.unreadable(b.report, err) {
				b.blocks = slices.Delete(slices.Clone(b.blocks), i, i+1)
				b.version = 0
				err = nil
			}
			return false, err
		}
	}
	for _, n := range batch {
		*n.into = b.finish(n)
	}
	return true, nil
}

// sumsOf is the number of sums of nodes being made.
func sumsOf(batch []*newNode) (n int) {
	for _, node := range batch {
		n += node.builder.sums()
	}
	return n
}
