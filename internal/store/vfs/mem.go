package vfs

import (
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Mem is a file system in memory for tests of what happens when the machine or
// the disk fails. It keeps apart what was written and what is durable: Crash
// gives the disk as it is found after a power cut. FailAt makes one operation,
// or all from one on, fail.
//
// Directories are durable once made. NewMem makes one.
type Mem struct {
	mu       sync.Mutex
	files    map[string]*node // by cleaned path
	durable  map[string]*node // the entries as of each directory's last SyncDir
	pending  []dirChange      // entries changed since, oldest first
	dirs     map[string]bool
	locked   map[string]bool
	capacity int64 // 0: unbounded
	rng      *rand.Rand

	ops     int // operations so far
	failAt  int // -1: none
	forever bool
	failErr error
}

// node is the content of a file. data[:flushed] is what the kernel takes for
// clean; durable[:flushed] is what the disk holds of it, which differs after a
// failed Sync. data[flushed:] is in the page cache only.
type node struct {
	data    []byte
	durable []byte
	flushed int
}

// dirChange is one change of directory entries, kept or lost as a whole in a
// crash.
type dirChange struct {
	dir    string
	remove string // "": nothing
	add    string // "": nothing
	node   *node  // of add
}

// NewMem returns an empty file system. The seed decides what a failing write
// or sync leaves behind.
func NewMem(seed uint64) *Mem {
	return &Mem{
		files: map[string]*node{}, durable: map[string]*node{}, dirs: map[string]bool{},
		locked: map[string]bool{}, failAt: -1, rng: rand.New(rand.NewPCG(seed, 1)),
	}
}

// FailAt makes the n-th operation from now on (0 is the next one) fail with
// err, and with forever all those after it. A negative n ends the failing.
func (m *Mem) FailAt(n int, forever bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAt, m.forever, m.failErr = m.ops+n, forever, err
	if n < 0 {
		m.failAt = -1
	}
}

// Failed reports whether the operation named to FailAt was reached.
func (m *Mem) Failed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failAt >= 0 && m.ops > m.failAt
}

// SetCapacity bounds the bytes of all files; 0 means no bound. Writes beyond
// fail with ENOSPC.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// Used is the number of bytes in all files.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used()
}

func (m *Mem) used() int64 {
	var n int64
	for _, f := range m.files {
		n += int64(len(f.data))
	}
	return n
}

// op counts an operation and returns the error injected into it.
func (m *Mem) op(name, path string) error {
	n := m.ops
	m.ops++
	if m.failAt >= 0 && (n == m.failAt || m.forever && n > m.failAt) {
		return &fs.PathError{Op: name, Path: path, Err: m.failErr}
	}
	return nil
}

func (m *Mem) change(c dirChange) {
	if c.remove != "" {
		delete(m.files, c.remove)
	}
	if c.add != "" {
		m.files[c.add] = c.node
	}
	m.pending = append(m.pending, c)
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if err := m.op("create", name); err != nil {
		return nil, err
	}
	if !m.dirs[filepath.Dir(name)] {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrNotExist}
	}
	n := &node{}
	m.change(dirChange{dir: filepath.Dir(name), add: name, node: n})
	return &memFile{fs: m, node: n, name: name, writable: true}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if err := m.op("open", name); err != nil {
		return nil, err
	}
	n := m.files[name]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{fs: m, node: n, name: name}, nil
}

// Rename implements FS. Both names lie in one directory.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to = filepath.Clean(from), filepath.Clean(to)
	if err := m.op("rename", from); err != nil {
		return err
	}
	n := m.files[from]
	if n == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	if filepath.Dir(from) != filepath.Dir(to) {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EXDEV}
	}
	m.change(dirChange{dir: filepath.Dir(to), remove: from, add: to, node: n})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if err := m.op("remove", name); err != nil {
		return err
	}
	if m.files[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	m.change(dirChange{dir: filepath.Dir(name), remove: name})
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := m.op("list", dir); err != nil {
		return nil, err
	}
	if !m.dirs[dir] {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	var names []string
	for _, path := range slices.Sorted(maps.Keys(m.files)) {
		if filepath.Dir(path) == dir {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := m.op("mkdir", dir); err != nil {
		return err
	}
	for !m.dirs[dir] {
		m.dirs[dir] = true
		dir = filepath.Dir(dir)
	}
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := m.op("syncdir", dir); err != nil {
		return err
	}
	m.pending = slices.DeleteFunc(m.pending, func(c dirChange) bool {
		if c.dir != dir {
			return false
		}
		c.apply(m.durable)
		return true
	})
	return nil
}

func (c dirChange) apply(entries map[string]*node) {
	if c.remove != "" {
		delete(entries, c.remove)
	}
	if c.add != "" {
		entries[c.add] = c.node
	}
}

// Lock implements FS. The holder named is this process.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = filepath.Clean(name)
	if err := m.op("lock", name); err != nil {
		return nil, err
	}
	if m.locked[name] {
		return nil, &InUseError{PID: os.Getpid()}
	}
	m.locked[name] = true
	return &memLock{fs: m, name: name}, nil
}

// memLock is a lock held on a Mem.
type memLock struct {
	fs   *Mem
	name string
}

func (l *memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locked, l.name)
	return nil
}

// Free implements FS.
func (m *Mem) Free(dir string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.op("statfs", dir); err != nil {
		return 0, err
	}
	if m.capacity == 0 {
		return 1 << 50, nil
	}
	return max(m.capacity-m.used(), 0), nil
}
