package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
)

// RepairAction is what was done, or would be, about one file.
type RepairAction struct {
	File string `json:"file"`
	// Problems are what was found in it, and Done what was done.
	Problems []Finding `json:"problems"`
	Done     string    `json:"done"`
	Kept     uint64    `json:"kept"` // records that could be read
	Lost     *Loss     `json:"lost,omitempty"`
}

// Repaired says what Repair did.
type Repaired struct {
	DryRun  bool           `json:"dryRun"`
	Actions []RepairAction `json:"actions"`
}

// Lost is the number of records that could not be read back, as far as it is
// known: that of batches lost in the log is not.
func (r *Repaired) Lost() (n uint64) {
	for _, a := range r.Actions {
		if a.Lost != nil {
			n += a.Lost.Records
		}
	}
	return n
}

// Repair brings a damaged data directory into a state in which it verifies,
// keeping all that can be read and every damaged file. A directory that another
// process uses is a *LockedError. With dryRun nothing is written and no lock is
// taken. It removes nothing because of age or size. Repeating it after an error
// or a crash is safe.
func Repair(ctx context.Context, dir string, o Options, dryRun bool, progress Progress) (*Repaired, error) {
	r := &repairer{dir: dir, o: o, dryRun: dryRun, result: &Repaired{DryRun: dryRun, Actions: []RepairAction{}}}
	if r.o.Logger == nil {
		r.o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := r.run(ctx, progress); err != nil {
		return nil, fmt.Errorf("repairing %s: %w", dir, err)
	}
	return r.result, nil
}

// repairer is one Repair.
type repairer struct {
	dir      string
	o        Options
	dryRun   bool
	result   *Repaired
	manifest *manifest // as it shall be
	names    []string
	changed  bool // the manifest
	reopen   bool // what is left is done by opening the store
}

func (r *repairer) run(ctx context.Context, progress Progress) (err error) {
	if !r.dryRun {
		lock, err := lockDir(r.o.FS, r.dir)
		if err != nil {
			return err
		}
		defer func() {
			if err == nil {
				err = lock.Close()
			}
			if err == nil && r.reopen {
				err = r.open()
			}
		}()
	}
	v, err := Verify(ctx, r.dir, r.o, progress)
	if err != nil {
		return err
	}
	if r.names, err = r.o.FS.List(r.dir); err != nil {
		return err
	}
	var lost *CorruptionError
	if _, r.manifest, lost, err = lookUp(r.o.FS, r.dir); err != nil {
		return err
	}
	if lost != nil {
		r.manifest, _ = manifestOf(r.names)
		r.manifest.StoreID = anyStoreID(r.o.FS, r.dir, r.names)
	}
	for _, findings := range byFile(v.Findings) {
		if err := r.file(ctx, findings); err != nil {
			return err
		}
	}
	if r.dryRun || !r.changed {
		return nil
	}
	if lost != nil && slices.Contains(r.names, manifestName) {
		if err := r.keepAside(manifestName); err != nil {
			return err
		}
	}
	return writeManifest(r.o.FS, r.dir, r.manifest)
}

// keepAside renames a damaged file.
func (r *repairer) keepAside(name string) error {
	err := r.o.FS.Rename(filepath.Join(r.dir, name), filepath.Join(r.dir, asideName(name, r.names)))
	if err != nil {
		return err
	}
	return r.o.FS.SyncDir(r.dir)
}

// byFile puts the findings of each file together, in their order.
func byFile(findings []Finding) [][]Finding {
	var files [][]Finding
	at := map[string]int{}
	for _, f := range findings {
		i, ok := at[f.File]
		if !ok {
			i = len(files)
			at[f.File] = i
			files = append(files, nil)
		}
		files[i] = append(files[i], f)
	}
	return files
}

// file does what is to be done about one file. Its most serious finding decides.
func (r *repairer) file(ctx context.Context, findings []Finding) error {
	a := RepairAction{File: findings[0].File, Problems: findings, Done: findings[0].Remedy}
	var err error
	switch a.Done {
	case remedySalvage, remedyReturn:
		err = r.salvage(ctx, &a)
	case remedySetAside:
		err = r.setAside(&a)
	case remedyForget:
		r.forget(&a)
	case remedyNothing, remedyTwice:
	case remedyFigures, remedyManifest:
		r.changed = true
		err = r.figures()
	default: // opening the store does it
		r.reopen = true
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.File, err)
	}
	r.result.Actions = append(r.result.Actions, a)
	return nil
}

// salvage makes a block of what can be read of a damaged one.
func (r *repairer) salvage(ctx context.Context, a *RepairAction) error {
	name := strings.TrimSuffix(a.File, corruptSuffix)
	b, f, err := openNamedBlock(r.o, r.dir, a.File)
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) {
		// Set aside earlier, and there is no footer that says where things are.
		a.Done = remedyNothing
		a.Problems = append(a.Problems, Finding{File: a.File, Offset: corrupt.Offset, Problem: corrupt.Reason, Remedy: a.Done})
		r.giveUp(name)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := b.salvage(ctx)
	if err != nil {
		return err
	}
	a.Kept = uint64(s.head.rows())
	if s.loss.Records > 0 {
		a.Lost = &s.loss
	}
	if a.Kept == 0 {
		if a.Done = remedySetAside; a.File == name {
			return r.setAside(a)
		}
		a.Done = remedyNothing
		r.giveUp(name)
		return nil
	}
	if r.dryRun {
		return nil
	}
	if err := replaceBlock(r.o, r.dir, name, a.File, r.names, s.head); err != nil {
		return err
	}
	r.changed = true
	return r.enter(b.kind(), name, s)
}

// giveUp forgets a block that was set aside while the manifest names it still.
func (r *repairer) giveUp(name string) {
	if r.manifest.names(name) {
		r.drop(name)
	}
}

// enter puts a block that was just written into the manifest, and what it lacks
// into the list by which answers are called partial.
func (r *repairer) enter(k Kind, name string, s *salvage) error {
	b, f, err := openNamedBlock(r.o, r.dir, name)
	if err != nil {
		return err
	}
	of := r.manifest.of(k)
	first, last, _ := parseBlockName(k, name)
	e := blockEntry{File: name, First: first, Last: last}
	i := slices.IndexFunc(of.Blocks, func(e blockEntry) bool { return e.File == name })
	if i < 0 {
		i, _ = slices.BinarySearchFunc(of.Blocks, e, func(a, b blockEntry) int { return int(int64(a.First - b.First)) })
		of.Blocks = slices.Insert(of.Blocks, i, e)
	}
	fillEntry(&of.Blocks[i], b)
	of.Sealed = max(of.Sealed, last)
	of.Lost = slices.DeleteFunc(of.Lost, func(e blockEntry) bool { return e.File == name })
	if s.loss.Records > 0 {
		of.Lost = append(of.Lost, blockEntry{File: name, First: first, Last: last, Rows: int(s.loss.Records), MinTime: s.least, MaxTime: s.greatest})
	}
	return f.Close()
}

// fillEntry gives an entry the figures of its block.
func fillEntry(e *blockEntry, b *block) {
	e.Rows, e.Bytes = b.rows(), b.size
	e.MinTime, e.MaxTime = b.timeRange()
}

// figures gives every entry of the manifest the figures of its block.
func (r *repairer) figures() error {
	for _, k := range kinds {
		of := r.manifest.of(k)
		for i := range of.Blocks {
			b, f, err := openNamedBlock(r.o, r.dir, of.Blocks[i].File)
			var corrupt *CorruptionError
			if errors.As(err, &corrupt) || errors.Is(err, fs.ErrNotExist) {
				continue // that is a finding of its own
			}
			if err != nil {
				return err
			}
			fillEntry(&of.Blocks[i], b)
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// setAside is for a block of which nothing can be read.
func (r *repairer) setAside(a *RepairAction) error {
	if e := r.entry(a.File); e != nil && a.Lost == nil {
		a.Lost = lossOf(e)
	}
	if r.dryRun {
		return nil
	}
	if err := r.keepAside(a.File); err != nil {
		return err
	}
	r.drop(a.File)
	return nil
}

// forget is for a block that the manifest names and that is missing.
func (r *repairer) forget(a *RepairAction) {
	a.Lost = lossOf(r.entry(a.File))
	r.drop(a.File)
}

func (r *repairer) entry(file string) *blockEntry {
	for _, k := range kinds {
		of := r.manifest.of(k)
		for i := range of.Blocks {
			if of.Blocks[i].File == file {
				return &of.Blocks[i]
			}
		}
	}
	return nil
}

// drop takes a block out of the manifest. Answers about its times are partial as
// long as its file is kept.
func (r *repairer) drop(file string) {
	r.changed = true
	for _, k := range kinds {
		of := r.manifest.of(k)
		of.Lost = append(of.Lost, of.drop(func(name string) bool { return name == file })...)
	}
}

// lossOf is all of a block.
func lossOf(e *blockEntry) *Loss {
	l := &Loss{Records: uint64(e.Rows), UnknownServices: uint64(e.Rows)}
	if e.Rows > 0 {
		l.Oldest, l.Newest = unixNano(e.MinTime), unixNano(e.MaxTime)
	}
	return l
}

// open opens the store and closes it again: that removes what was not finished,
// and where the log is damaged brings its readable batches into a block.
func (r *repairer) open() error {
	o := r.o
	o.MaxAge, o.MaxBytes = 0, 0
	s, err := Open(r.dir, o)
	if err != nil {
		return err
	}
	return s.Close()
}
