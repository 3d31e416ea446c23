package vfs

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
)

// memFile is an open file of a Mem.
type memFile struct {
	fs       *Mem
	node     *node
	name     string
	writable bool
	closed   bool
}

// begin counts an operation on the file; the caller holds fs.mu.
func (f *memFile) begin(op string) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	return f.fs.op(op, f.name)
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin("read"); err != nil {
		return 0, err
	}
	if off < 0 || off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write appends p. A failing write leaves a part of p in the file, as a full
// disk does.
func (f *memFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if !f.writable {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: fs.ErrPermission}
	}
	err := f.begin("write")
	n := len(p)
	switch {
	case f.closed:
		return 0, err
	case err != nil:
		n = f.fs.rng.IntN(len(p) + 1)
	case f.fs.capacity > 0:
		if free := max(f.fs.capacity-f.fs.used(), 0); free < int64(n) {
			n = int(free)
			err = &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
	}
	f.node.data = append(f.node.data, p[:n]...)
	return n, err
}

// Sync makes the file's bytes durable. A failing sync makes some of them
// durable, zeroes the others on the disk, and takes all for clean, as Linux
// does: no later Sync writes them again.
func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.begin("sync")
	if f.closed {
		return err
	}
	n := f.node
	tail := slices.Clone(n.data[n.flushed:])
	if err != nil {
		loseSectors(f.fs.rng, tail, n.flushed)
	}
	n.durable = append(n.durable, tail...)
	n.flushed = len(n.data)
	return err
}

// Truncate cuts durable bytes off durably.
func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin("truncate"); err != nil {
		return err
	}
	n := f.node
	if size < 0 || size > int64(len(n.data)) || !f.writable {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	n.data = n.data[:size]
	n.flushed = min(n.flushed, int(size))
	n.durable = n.durable[:n.flushed]
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin("stat"); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.begin("close"); err != nil {
		return err
	}
	f.closed = true
	return nil
}

// Crash returns the file system as it is found after a power cut at this
// instant: what was synced is there; of the rest the seed keeps some. Each
// directory change not synced is there or not, independent of the others; of a
// file's bytes not synced, all, a part or none, and sectors may be missing.
// m goes on as if nothing had happened, so that what still runs on it can end.
func (m *Mem) Crash(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := NewMem(seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	after.dirs = maps.Clone(m.dirs)
	after.capacity = m.capacity
	entries := maps.Clone(m.durable)
	keep := rng.Float64() // a crash that keeps nearly all, one that loses nearly all
	for _, c := range m.pending {
		if rng.Float64() < keep {
			c.apply(entries)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(entries)) {
		n := entries[path]
		tail := slices.Clone(n.data[n.flushed:])
		switch rng.IntN(4) {
		case 0:
			tail = nil
		case 1:
			tail = tail[:rng.IntN(len(tail)+1)]
		}
		if rng.IntN(2) == 0 {
			loseSectors(rng, tail, n.flushed)
		}
		data := slices.Concat(n.durable, tail)
		node := &node{data: data, durable: slices.Clone(data), flushed: len(data)}
		after.files[path], after.durable[path] = node, node
	}
	return after
}

// sectorSize is what a disk writes as a whole.
const sectorSize = 512

// loseSectors zeroes about half of the sectors of tail, which begins at offset
// at of its file.
func loseSectors(rng *rand.Rand, tail []byte, at int) {
	for i := 0; i < len(tail); {
		end := min(i+sectorSize-(at+i)%sectorSize, len(tail))
		if rng.IntN(2) == 0 {
			clear(tail[i:end])
		}
		i = end
	}
}
