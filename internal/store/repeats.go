package store

import "hash/maphash"

// A sender whose answer was lost, because a network broke or this process was
// killed between writing and answering, sends the same batch again. Such a batch
// is acknowledged and not kept a second time: counts, log lines and rates would
// have it twice.

// maxRepeats is the number of batches of each kind that are known again: five
// minutes of 100 requests a second, which is as long as senders try.
const maxRepeats = 32 << 10

// batchID is a hash of a batch's bytes in the log. Its seeds are of this process,
// so that nobody can make two batches that share one.
type batchID [2]uint64

// repeats knows the batches that were kept last, the log's at Open. It belongs
// to the goroutine that writes the log.
type repeats struct {
	seeds [2]maphash.Seed
	kept  map[batchID]struct{}
	order []batchID // a ring once it is full
	next  int
}

func newRepeats() *repeats {
	return &repeats{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, kept: map[batchID]struct{}{}}
}

// id returns the id of a batch by its compressed payload: equal payloads have
// equal ones, and it is a quarter of the bytes.
func (r *repeats) id(compressed []byte) batchID {
	return batchID{maphash.Bytes(r.seeds[0], compressed), maphash.Bytes(r.seeds[1], compressed)}
}

// add notes that a batch is kept.
func (r *repeats) add(id batchID) {
	if _, known := r.kept[id]; known {
		return
	}
	r.kept[id] = struct{}{}
	if len(r.order) < maxRepeats {
		r.order = push(r.order, id)
		return
	}
	delete(r.kept, r.order[r.next])
	r.order[r.next] = id
	r.next = (r.next + 1) % maxRepeats
}

// part divides batches that are to be written together into those that are new
// and those that repeat one of them or one that is kept.
func (r *repeats) part(ops []*appendOp) (fresh, repeated []*appendOp) {
	fresh = ops[:0:0]
	var these map[batchID]struct{}
	for _, op := range ops {
		op.id = r.id(op.compressed)
		_, known := r.kept[op.id]
		if !known {
			_, known = these[op.id]
		}
		if known {
			repeated = append(repeated, op)
			continue
		}
		keep(&these, op.id, struct{}{})
		fresh = append(fresh, op)
	}
	return fresh, repeated
}
