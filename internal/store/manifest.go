package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signalbox-otel/signalbox/internal/store/vfs"
)

// manifest is the list of what counts in a data directory: a block that it
// does not name was not finished, or was given up, and a log record up to
// Sealed is in a block or was given up with one. It is replaced as a whole,
// atomically, and that is the moment at which a sealed block takes the place
// of its log records.
type manifest struct {
	StoreID string       `json:"storeID"` // hex
	Spans   kindManifest `json:"spans"`
	Logs    kindManifest `json:"logs"`
}

// kindManifest is the part of one kind of records.
type kindManifest struct {
	Sealed uint64       `json:"sealed"` // the log counts from Sealed+1
	Blocks []blockEntry `json:"blocks"` // in the order of sealing
	// Lost are blocks that were set aside because they cannot be read: answers
	// about their times are partial until they would have expired, or somebody
	// deletes the file.
	Lost []blockEntry `json:"lost,omitempty"`
}

// blockEntry describes a block, for what has to be known without opening it.
type blockEntry struct {
	File    string `json:"file"`
	First   uint64 `json:"first"` // sequences of the batches in it
	Last    uint64 `json:"last"`
	Rows    int    `json:"rows"`
	Bytes   int64  `json:"bytes"`
	MinTime uint64 `json:"minTime"` // Unix nanoseconds, of the records
	MaxTime uint64 `json:"maxTime"`
	// Written is when the block was written, in Unix nanoseconds; 0: not known.
	Written uint64 `json:"written,omitempty"`
}

// newest is the time of the block's newest record, as retention sees it: while
// that record is from the future it is as old as the block, or a sender with a
// wrong clock would keep the block for years. The block's own age does not count
// otherwise: it is wrong when this machine's clock was behind.
func (e *blockEntry) newest(now uint64) uint64 {
	if e.MaxTime > now && e.Written != 0 {
		return min(e.MaxTime, e.Written)
	}
	return e.MaxTime
}

// drop removes the entries of files from the list of blocks and returns them.
func (m *kindManifest) drop(file func(string) bool) (gone []blockEntry) {
	m.Blocks = slices.DeleteFunc(m.Blocks, func(e blockEntry) bool {
		if !file(e.File) {
			return false
		}
		gone = append(gone, e)
		return true
	})
	return gone
}

const (
	manifestVersion = 1
	// manifestHeader is the first line: version, and CRC-32C of what follows.
	manifestHeader = "signalbox-store %d crc32c:%08x\n"
)

// of returns the part of kind k.
func (m *manifest) of(k Kind) *kindManifest {
	if k == Logs {
		return &m.Logs
	}
	return &m.Spans
}

// clone copies m deeply enough for any change.
func (m *manifest) clone() *manifest {
	c := *m
	c.Spans.Blocks = slices.Clone(m.Spans.Blocks)
	c.Logs.Blocks = slices.Clone(m.Logs.Blocks)
	c.Spans.Lost = slices.Clone(m.Spans.Lost)
	c.Logs.Lost = slices.Clone(m.Logs.Lost)
	return &c
}

// id returns the store's id.
func (m *manifest) id() (id storeID, err error) {
	n, err := hex.Decode(id[:], []byte(m.StoreID))
	if err == nil && n != len(id) {
		err = errors.New("wrong length")
	}
	return id, err
}

func (m *manifest) encode() ([]byte, error) {
	body, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append(fmt.Appendf(nil, manifestHeader, manifestVersion, crc32.Checksum(body, castagnoli)), body...), nil
}

// decodeManifest returns a *CorruptionError, or a *versionError for a manifest
// of a later release.
func decodeManifest(data []byte) (*manifest, error) {
	corrupt := func(format string, args ...any) error {
		return &CorruptionError{File: manifestName, Reason: fmt.Sprintf(format, args...)}
	}
	line, body, _ := strings.Cut(string(data), "\n")
	var version, sum uint32
	if _, err := fmt.Sscanf(line+"\n", manifestHeader, &version, &sum); err != nil {
		return nil, corrupt("first line %.40q: %v", line, err)
	}
	if crc32.Checksum([]byte(body), castagnoli) != sum {
		return nil, corrupt("checksum does not match")
	}
	if version != manifestVersion {
		return nil, &versionError{file: manifestName, version: version}
	}
	m := &manifest{}
	if err := json.Unmarshal([]byte(body), m); err != nil {
		return nil, corrupt("%v", err)
	}
	if _, err := m.id(); err != nil {
		return nil, corrupt("store id %q: %v", m.StoreID, err)
	}
	for _, k := range kinds {
		for _, e := range m.of(k).Blocks {
			if first, last, ok := parseBlockName(k, e.File); !ok || first != e.First || last != e.Last {
				return nil, corrupt("block name %q", e.File)
			}
		}
	}
	return m, nil
}

// readManifest reads the manifest of a data directory. A missing one is an
// error that satisfies fs.ErrNotExist.
func readManifest(fsys vfs.FS, dir string) (*manifest, error) {
	data, err := readFile(fsys, filepath.Join(dir, manifestName))
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	return decodeManifest(data)
}

// writeManifest replaces the manifest. After an error either of the two is
// there.
func writeManifest(fsys vfs.FS, dir string, m *manifest) error {
	data, err := m.encode()
	if err == nil {
		err = writeFile(fsys, dir, manifestName, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}

// writeFile makes a file appear whole and durable: written under a temporary
// name, synced, renamed, directory synced.
func writeFile(fsys vfs.FS, dir, name string, write func(io.Writer) error) error {
	path := filepath.Join(dir, name)
	f, err := fsys.Create(path + tempSuffix)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, fsys.Remove(path+tempSuffix))
	}
	if err := fsys.Rename(path+tempSuffix, path); err != nil {
		return errors.Join(err, fsys.Remove(path+tempSuffix))
	}
	return fsys.SyncDir(dir)
}

// readFile reads a file whole.
func readFile(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && !(err == io.EOF && size == 0) {
		return nil, err
	}
	return data, nil
}
