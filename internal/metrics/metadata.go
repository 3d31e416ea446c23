package metrics

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/tsdb/fileutil"
)

// Metadata is what is known about a metric besides its samples. The JSON form
// is the one of Prometheus' /api/v1/metadata.
type Metadata struct {
	Type string `json:"type"` // "counter", "gauge", "histogram", "summary" or "unknown"
	Help string `json:"help"`
	Unit string `json:"unit"` // Prometheus' name of it: "seconds", "bytes"
}

// Bounds of the metadata kept: a client that puts identifiers into metric names
// must not fill the memory. At the bounds the file is about 20 MB.
const (
	maxMetadataNames    = 20_000
	maxMetadataPerName  = 4 // services rarely agree on the help text
	maxMetadataHelpSize = 1024
)

// metadataFile is beside the blocks of the TSDB, which leaves it alone.
const metadataFile = "metadata.json"

// metadataVersion is the version of the file's form.
const metadataVersion = 1

// seenInterval is how exactly the time of the last sample of a metric is known.
// It only serves to forget metrics after their samples are gone.
const seenInterval = time.Hour

// metadataDoc is the file: {"version":1,"metrics":{"name":[{"type":…}]}}.
type metadataDoc struct {
	Version int                         `json:"version"`
	Metrics map[string][]*metadataEntry `json:"metrics"`
}

// metadataEntry is one variant of a metric's metadata.
type metadataEntry struct {
	Metadata
	Seen int64 `json:"seen"` // Unix seconds, exact to seenInterval
}

// metadataStore keeps type, unit and help by metric name. The TSDB does not:
// Prometheus reads them from its scrape targets, and pushed metrics have none.
type metadataStore struct {
	path string
	now  func() time.Time
	full func() // called for a name that has no place

	mu      sync.RWMutex
	metrics map[string][]*metadataEntry // an entry is replaced, never changed
	dirty   bool

	saving sync.Mutex // one writer of the file at a time
}

// openMetadata reads the file of dir. Bytes that are no such file are moved
// aside to metadata.json.corrupt; the returned error then says so and the store
// is usable and empty: senders repeat their metadata with every batch.
func openMetadata(dir string, now func() time.Time, full func()) (*metadataStore, error) {
	s := &metadataStore{path: filepath.Join(dir, metadataFile), now: now, full: full, metrics: map[string][]*metadataEntry{}}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading metric metadata: %w", err)
	}
	var doc metadataDoc
	if err := json.Unmarshal(raw, &doc); err == nil && doc.Version == metadataVersion {
		if doc.Metrics != nil {
			s.metrics = doc.Metrics
		}
		return s, nil
	} else if err == nil {
		err = fmt.Errorf("version is %d, want %d", doc.Version, metadataVersion)
		return s, s.setAside(err)
	} else {
		return s, s.setAside(err)
	}
}

// setAside moves the unreadable file away and returns what is to be logged.
func (s *metadataStore) setAside(cause error) error {
	if err := os.Rename(s.path, s.path+".corrupt"); err != nil {
		return errors.Join(cause, err)
	}
	return cause
}

// note remembers md for the metric name.
func (s *metadataStore) note(name string, md Metadata) {
	if name == "" || md == (Metadata{}) || md == (Metadata{Type: "unknown"}) {
		return
	}
	if len(md.Help) > maxMetadataHelpSize {
		md.Help = strings.ToValidUTF8(md.Help[:maxMetadataHelpSize-utf8.UTFMax], "") + "…"
	}
	now := s.now().Unix()
	s.mu.RLock()
	known := s.fresh(name, md, now)
	s.mu.RUnlock()
	if known {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(name, &metadataEntry{Metadata: md, Seen: now})
}

// fresh reports whether md is known and was seen lately. Called with mu held.
func (s *metadataStore) fresh(name string, md Metadata, now int64) bool {
	for _, e := range s.metrics[name] {
		if e.Metadata == md {
			return now-e.Seen < int64(seenInterval/time.Second)
		}
	}
	return false
}

// put inserts or renews an entry, newest first. Called with mu held for writing.
func (s *metadataStore) put(name string, e *metadataEntry) {
	old := s.metrics[name]
	if len(old) == 0 && len(s.metrics) >= maxMetadataNames {
		s.full()
		return
	}
	// A slice of its own: readers hold the old one.
	entries := append(make([]*metadataEntry, 0, len(old)+1), e)
	for _, o := range old {
		if o.Metadata != e.Metadata && len(entries) < maxMetadataPerName {
			entries = append(entries, o)
		}
	}
	s.metrics[name] = entries
	s.dirty = true
}

// get returns what is known about a metric, latest first.
func (s *metadataStore) get(name string) []Metadata {
	s.mu.RLock()
	entries := s.metrics[name]
	s.mu.RUnlock()
	return plain(entries)
}

// all yields every metric in the order of names.
func (s *metadataStore) all() iter.Seq2[string, []Metadata] {
	s.mu.RLock()
	metrics := maps.Clone(s.metrics)
	s.mu.RUnlock()
	return func(yield func(string, []Metadata) bool) {
		for _, name := range slices.Sorted(maps.Keys(metrics)) {
			if !yield(name, plain(metrics[name])) {
				return
			}
		}
	}
}

// size is the number of metric names known.
func (s *metadataStore) size() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.metrics)
}

func plain(entries []*metadataEntry) []Metadata {
	out := make([]Metadata, len(entries))
	for i, e := range entries {
		out[i] = e.Metadata
	}
	return out
}

// save forgets metrics last seen before oldest and writes the file if anything
// changed since the last time. The file is replaced as a whole: a crash leaves
// the old or the new one.
func (s *metadataStore) save(oldest time.Time) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	doc, changed := s.snapshot(oldest)
	if !changed {
		return nil
	}
	if err := s.write(doc); err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
		return fmt.Errorf("saving metric metadata: %w", err)
	}
	return nil
}

// snapshot prunes and copies what is to be written.
func (s *metadataStore) snapshot(oldest time.Time) (metadataDoc, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, entries := range s.metrics {
		kept := slices.DeleteFunc(slices.Clone(entries), func(e *metadataEntry) bool { return e.Seen < oldest.Unix() })
		if len(kept) == len(entries) {
			continue
		}
		s.dirty = true
		if s.metrics[name] = kept; len(kept) == 0 {
			delete(s.metrics, name)
		}
	}
	if !s.dirty {
		return metadataDoc{}, false
	}
	s.dirty = false
	return metadataDoc{Version: metadataVersion, Metrics: maps.Clone(s.metrics)}, true
}

func (s *metadataStore) write(doc metadataDoc) error {
	raw, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	tmp := s.path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return fileutil.Replace(tmp, s.path) // rename, and sync of the directory
}
